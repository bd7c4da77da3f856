"""Check the name and content of a plan, and build the submission for its providers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.db.models import QuerySet

from portal.core.errors import FieldError, Invalid
from portal.core.formatting import listed
from portal.mitigations import queries as mitigation_queries
from portal.mitigations.failover import current_mitigations
from portal.mitigations.models import Mitigation, Strategy, Wanted
from portal.mitigations.replacement import Proposal
from portal.mitigations.resubmission import resubmission
from portal.mitigations.states import ACTIVE
from portal.mitigations.unknown import Unknown
from portal.mitigations.validation import Checked, Submission, check
from portal.organizations.models import Organization
from portal.standby.models import MAX_NAME_LENGTH, StandbyPlan
from portal.standby.queries import longest_lifetime_s


def problems(
    organization: Organization,
    *,
    name: str | None = None,
    submission: Submission | None = None,
    but: StandbyPlan | None = None,
) -> list[FieldError]:
    """Every error in a plan; `but` is the plan being changed."""
    found: list[FieldError] = []
    if name is not None and (problem := _name_problem(organization, name)):
        found.append(problem)
    if submission is not None:
        found += _content_problems(organization, submission, but)
    return found


def refuse_problems(found: Sequence[FieldError]) -> None:
    if found:
        things = "one thing" if len(found) == 1 else f"{len(found)} things"
        raise Invalid(f"Nothing was sent. Correct {things}.", errors=found)


def _name_problem(organization: Organization, name: str) -> FieldError | None:
    if not name:
        return FieldError(
            "name", "required", "Give the plan a name that people recognize under stress."
        )
    if len(name) > MAX_NAME_LENGTH:
        message = f"The name has {len(name):,} characters: at most {MAX_NAME_LENGTH} are allowed."
        return FieldError("name", "too-long", message)
    if not name.isprintable():
        message = "The name contains characters that are not allowed. Type it again."
        return FieldError("name", "odd-characters", message)
    if any(plan.name == name for plan in plans_of(organization)):
        message = f"{organization.name} already has a plan called {name}. Choose another name."
        return FieldError("name", "name-exists", message)
    return None


def plans_of(organization: Organization) -> QuerySet[StandbyPlan]:
    own = StandbyPlan.objects.filter(organization=organization, removed_at__isnull=True)
    return own.select_related("request")


def _content_problems(
    organization: Organization, prepared: Submission, but: StandbyPlan | None
) -> Sequence[FieldError]:
    """The errors found by the check of a request, and overlaps: a provider keeps only one of two
    plans with a common target.
    """
    try:
        checked = _checked(organization, prepared)
    except Invalid as error:
        return error.errors
    if but is not None and but.is_on and differs(but, prepared) and (acting := _acting(but)):
        verb = "is" if len(acting) == 1 else "are"
        message = (
            f"{listed(acting)} {verb} filtering for this plan, and would stop for a new "
            f"version of it."
            " Activate the plan to filter for longer, or change it when the attack is over."
        )
        return [FieldError("targets", "plan-is-active", message)]
    for plan in plans_of(organization).prefetch_related("request__mitigations"):
        is_other = plan.is_on and (but is None or plan.pk != but.pk)
        if is_other and any(
            _meets(checked, mitigation) for mitigation in plan.request.mitigations.all()
        ):
            return [overlap_error(plan.name)]
    return []


def overlap_error(plan: str) -> FieldError:
    message = (
        f"The plan {plan} already covers some of these targets. A provider holds only "
        "one plan for a target: change that plan, or choose other targets."
    )
    return FieldError("targets", "overlaps-plan", message)


def overlap_error_of_unknown(unknown: Unknown) -> FieldError:
    message = (
        f"{unknown.provider} holds {unknown.name} in standby, which no request here asked "
        f"for, and would drop it for this "
        "plan. Withdraw it on the Now page first, or extend the plan to cover all of it."
    )
    return FieldError("targets", "overlaps-unknown", message)


def _acting(plan: StandbyPlan) -> list[str]:
    """The short names of the providers that activated it on their own."""
    rows = plan.request.mitigations.select_related("subscription__provider")
    return [
        mitigation.subscription.provider.short_name
        for mitigation in current_mitigations(rows)
        if mitigation.wanted == Wanted.ACTIVE and mitigation.status in ACTIVE
    ]


def _meets(checked: Checked, mitigation: Mitigation) -> bool:
    """Whether the same provider would be asked to hold a target that it holds for another plan."""
    scope = checked.scopes.get(mitigation.subscription_id)
    return scope is not None and mitigation_queries.shares_target(
        Mitigation(scope=scope), mitigation
    )


def _checked(organization: Organization, prepared: Submission) -> Checked:
    return check(
        prepared,
        resources=mitigation_queries.verified_resources(organization),
        eligible_providers=mitigation_queries.eligible_providers(organization),
        policy=mitigation_queries.policy(organization),
    )


def differs(plan: StandbyPlan, prepared: Submission) -> bool:
    """Whether a provider would be asked for something other than before."""
    checked, request = _checked(plan.organization, prepared), plan.request
    wanted = (checked.scope, checked.ports, checked.protocols, checked.lifetime_s)
    held = (request.scope, request.ports, request.protocols, request.lifetime_s)
    current = current_mitigations(request.mitigations.all())
    scopes = {mitigation.subscription_id: mitigation.scope for mitigation in current}
    return (wanted, checked.scopes) != (held, scopes)


def proposal_of(plan: StandbyPlan) -> Proposal | None:
    """The request that activating the plan would send, by provider; None if it cannot be sent
    now.
    """
    try:
        return Proposal.of(_checked(plan.organization, submission_of(plan)))
    except Invalid:
        return None


def submission_of(plan: StandbyPlan) -> Submission:
    """What the plan asks for, as it was created, without providers that can no longer be asked.

    If none can be asked, all of them are named: the check then refuses it, and no provider is asked
    that the plan does not name.
    """
    request = plan.request
    verified = {one.pk for one in request.resources.all() if one.is_verified}
    able = {
        provider.subscription
        for provider in mitigation_queries.eligible_providers(plan.organization)
    }
    prepared = resubmission(request, resources=verified, subscriptions=able)
    if prepared.subscriptions:
        return prepared
    return resubmission(request, resources=verified, subscriptions=set(request.subscriptions))


def as_standby(organization: Organization, submission: Submission) -> Submission:
    """As a standby request: every chosen provider holds it for as long as the plan is on."""
    lifetime_s = submission.lifetime_s
    if lifetime_s is None:
        lifetime_s = longest_lifetime_s(organization)
    return replace(
        submission,
        strategy=Strategy.PARALLEL.value,
        auto_renew=True,
        lifetime_s=lifetime_s,
    )
