"""Plans: prepared, changed, turned off and on, activated by hand.

Locks are taken in this order: organization, plan, request and what follows it (docs/locking.md).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.wording import who_first
from portal.core.errors import Conflict, FieldError, Invalid, NotFound
from portal.core.formatting import listed, when
from portal.core.sweeping import count_done
from portal.mitigations import queries as mitigation_queries
from portal.mitigations import services as mitigations
from portal.mitigations.consent import NO_CONSENT, Consent, WouldReplace
from portal.mitigations.failover import current_mitigations
from portal.mitigations.models import Mitigation, MitigationRequest, RequestKind, Strategy, Wanted
from portal.mitigations.replacing import Proposal
from portal.mitigations.resubmission import resubmission
from portal.mitigations.states import ACTIVE, CONFIRMED, REQUEST_TERMINAL
from portal.mitigations.unknown import Unknown
from portal.mitigations.validation import Checked, Submission, check
from portal.organizations.models import Organization
from portal.standby.models import MAX_NAME_LENGTH, StandbyPlan
from portal.standby.queries import longest_lifetime_s

MAX_PLANS: Final = 20
MAX_CHANGES_FINISHED: Final = 200
"""Replaced versions one sweep looks at; the rest waits for the next."""


@transaction.atomic
def create_plan(
    *, organization: Organization, actor: Actor, name: str, submission: Submission, key: str = ""
) -> StandbyPlan:
    """A plan that is on from now: every chosen provider is asked to hold it.

    The same `key` and content of the same person give the first plan again. Raises Invalid with
    every wrong field.
    """
    person = actor.require_person()
    _lock(organization)
    prepared = _as_standby(organization, submission)
    name = name.strip()
    earlier = mitigations.submitted_before(
        organization=organization,
        actor=actor,
        submission=prepared,
        key=key,
        kind=RequestKind.STANDBY,
        name=name,
    )
    if earlier is not None:
        versions_of_it = Q(request=earlier) | Q(earlier=earlier)
        return StandbyPlan.objects.filter(versions_of_it).distinct().get()
    _refuse(problems(organization, name=name, submission=prepared))
    if _own(organization).count() >= MAX_PLANS:
        raise Conflict(
            f"{organization.name} has {MAX_PLANS} plans already; no more are kept.",
            code="too-many-plans",
        )
    request = _submit(organization, actor, name, prepared, key=key)
    return StandbyPlan.objects.create(
        organization=organization,
        name=name,
        created_at=request.created_at,
        created_by=person,
        request=request,
    )


@transaction.atomic
def change_plan(
    *,
    plan_id: UUID,
    actor: Actor,
    name: str | None = None,
    submission: Submission | None = None,
) -> StandbyPlan:
    """Another name, or another content: a new request with a higher mid, which turns the plan on.

    A provider lets go of the old version as it takes the new one; where the two have no target in
    common, or the new one is refused, the old one stays until the new one is held.
    """
    plan = locked(plan_id)
    name = None if name is None or name.strip() == plan.name else name.strip()
    prepared = None if submission is None else _as_standby(plan.organization, submission)
    _refuse(problems(plan.organization, name=name, submission=prepared, but=plan))
    if name is not None:
        plan.name = name
        plan.save(update_fields=["name"])
        MitigationRequest.objects.filter(pk=plan.request_id).update(name=name)
    if prepared is None:
        return plan
    if plan.is_on and not _differs(plan, prepared):
        MitigationRequest.objects.filter(pk=plan.request_id).update(reason=prepared.reason.strip())
    else:
        _renew(plan, actor, prepared)
    return plan


@transaction.atomic
def edit_plan(
    *,
    plan_id: UUID,
    actor: Actor,
    name: str | None = None,
    submission: Submission | None = None,
    is_on: bool | None = None,
) -> StandbyPlan:
    """Change what is named, all or nothing.

    New content turns a plan on: what it asks for is its request's.
    """
    if is_on is False and submission is not None:
        raise Conflict("New content turns a plan on. Turn it off afterwards.", code="turns-it-on")
    plan = change_plan(plan_id=plan_id, actor=actor, name=name, submission=submission)
    if is_on is None:
        return plan
    return (turn_on if is_on else turn_off)(plan_id=plan_id, actor=actor)


@transaction.atomic
def turn_off(*, plan_id: UUID, actor: Actor) -> StandbyPlan:
    """Nobody shall hold it any more. Repeating it changes nothing."""
    plan = locked(plan_id)
    if plan.is_on:
        plan.request = mitigations.terminate(request_id=plan.request_id, actor=actor)
    _end_earlier(plan)
    return plan


@transaction.atomic
def turn_on(*, plan_id: UUID, actor: Actor) -> StandbyPlan:
    """Have it held again, as it was. Repeating it changes nothing."""
    plan = locked(plan_id)
    if not plan.is_on:
        prepared = submission_of(plan)
        _refuse(problems(plan.organization, submission=prepared, but=plan))
        _renew(plan, actor, prepared)
    return plan


@transaction.atomic
def remove_plan(*, plan_id: UUID, actor: Actor) -> None:
    """Turn it off and forget it; what happened stays in the log."""
    plan = locked(plan_id)
    if plan.is_on:
        mitigations.terminate(request_id=plan.request_id, actor=actor)
    _end_earlier(plan)
    plan.removed_at = timezone.now()
    plan.save(update_fields=["removed_at"])


@transaction.atomic
def activate(
    *, plan_id: UUID, actor: Actor, key: str = "", consent: Consent = NO_CONSENT
) -> MitigationRequest:
    """Ask every provider of the plan for help now, with the plan's targets. The plan stays held.

    Raises WouldReplace if it would replace other live requests without `consent`.
    """
    plan = locked(plan_id)
    prepared = submission_of(plan)
    earlier = mitigations.submitted_before(
        organization=plan.organization,
        actor=actor,
        submission=prepared,
        key=key,
        name=plan.name,
        consent=consent,
    )
    if earlier is not None:
        return earlier
    going_on = plan.live_activation
    if going_on is not None and not going_on.terminate_asked_at:
        raise Conflict(
            f"{who_first(going_on.requester)} activated this plan "
            f"{when(going_on.created_at, timezone.now(), zone=True)}. Nothing more to do.",
            code="already-active",
        )
    plan.activation = mitigations.submit(
        organization=plan.organization,
        actor=actor,
        submission=prepared,
        key=key,
        name=plan.name,
        consent=consent,
        instead_of=versions(plan),
    )
    plan.save(update_fields=["activation"])
    return plan.activation


def finish_changes() -> int:
    """Let providers drop replaced versions once they hold the new one; how many parts
    were ended.
    """
    unfinished = (
        StandbyPlan.objects.filter(earlier__isnull=False)
        .exclude(earlier__status__in=REQUEST_TERMINAL)
        .values_list("pk", flat=True)
        .distinct()[:MAX_CHANGES_FINISHED]
    )
    return count_done(_finish_change, list(unfinished))


@transaction.atomic
def _finish_change(plan_id: UUID) -> int:
    plan = StandbyPlan.objects.select_for_update(of=("self",)).get(pk=plan_id)
    _lock_versions(plan)
    return _end_earlier(plan)


def _end_earlier(plan: StandbyPlan) -> int:
    """End the parts of replaced versions that nobody needs."""
    # A provider that does not hold the new version yet keeps the old one, as long as the plan is
    # on. A provider that filters for the old version continues until the attack is over or a person
    # stops it.
    needed, is_kept = set(), plan.is_on and plan.removed_at is None
    if is_kept:
        new = current_mitigations(plan.request.mitigations.all())
        needed = {
            mitigation.subscription_id for mitigation in new if mitigation.status not in CONFIRMED
        }
    ended = 0
    for earlier in plan.earlier.exclude(status__in=REQUEST_TERMINAL).order_by("created_at", "pk"):
        for mitigation in earlier.mitigations.filter(wanted=Wanted.ACTIVE).order_by("position"):
            is_needed = mitigation.status in CONFIRMED and mitigation.subscription_id in needed
            if is_needed or (is_kept and mitigation.status in ACTIVE):
                continue
            mitigations.withdraw_mitigation(mitigation_id=mitigation.pk)
            ended += 1
        for mitigation in earlier.mitigations.filter(hold_again=True):
            mitigations.give_up(mitigation_id=mitigation.pk)
    return ended


def versions(plan: StandbyPlan) -> set[UUID]:
    """The requests of a plan, including replaced ones."""
    return {plan.request_id, *plan.earlier.values_list("pk", flat=True)}


def _renew(plan: StandbyPlan, actor: Actor, prepared: Submission) -> None:
    request = _submit(plan.organization, actor, plan.name, prepared, instead_of=versions(plan))
    plan.earlier.add(plan.request)
    plan.request = request
    plan.save(update_fields=["request"])
    _end_earlier(plan)


def _lock(organization: Organization) -> None:
    """One change of an organization's plans at a time: they may not overlap."""
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)


def locked(plan_id: UUID) -> StandbyPlan:
    """The plan, with everything a change of it locks; within a transaction."""
    organization_id = StandbyPlan.objects.values_list("organization_id", flat=True).get(pk=plan_id)
    Organization.objects.select_for_update(no_key=True).get(pk=organization_id)
    plan = StandbyPlan.objects.select_for_update(of=("self",)).get(pk=plan_id)
    if plan.removed_at is not None:
        raise NotFound
    _lock_versions(plan)
    return plan


def _lock_versions(plan: StandbyPlan) -> None:
    """Before the first of them is changed: what follows also locks the log."""
    earlier = plan.earlier.exclude(status__in=REQUEST_TERMINAL).values_list("pk", flat=True)
    activation = [] if plan.activation_id is None else [plan.activation_id]
    mitigations.lock_requests([plan.request_id, *activation, *earlier])


def _own(organization: Organization) -> QuerySet[StandbyPlan]:
    own = StandbyPlan.objects.filter(organization=organization, removed_at__isnull=True)
    return own.select_related("request")


def problems(
    organization: Organization,
    *,
    name: str | None = None,
    submission: Submission | None = None,
    but: StandbyPlan | None = None,
) -> list[FieldError]:
    """Everything that is wrong with a plan; `but` is the plan it is to become."""
    found: list[FieldError] = []
    if name is not None and (problem := _name_problem(organization, name)):
        found.append(problem)
    if submission is not None:
        found += _content_problems(organization, submission, but)
    return found


def _refuse(found: Sequence[FieldError]) -> None:
    if found:
        things = "one thing" if len(found) == 1 else f"{len(found)} things"
        raise Invalid(f"Nothing was sent. Correct {things}.", errors=found)


def _name_problem(organization: Organization, name: str) -> FieldError | None:
    if not name:
        return FieldError("name", "required", "Give the plan a name people know under stress.")
    if len(name) > MAX_NAME_LENGTH:
        message = f"The name has {len(name):,} characters: at most {MAX_NAME_LENGTH} are kept."
        return FieldError("name", "too-long", message)
    if not name.isprintable():
        message = "The name has characters that cannot be kept. Type it again."
        return FieldError("name", "odd-characters", message)
    if any(plan.name == name for plan in _own(organization)):
        message = f"{organization.name} has a plan called {name} already. Choose another name."
        return FieldError("name", "name-exists", message)
    return None


def _as_standby(organization: Organization, submission: Submission) -> Submission:
    """Held by every chosen provider, for as long as it is on."""
    lifetime_s = submission.lifetime_s
    if lifetime_s is None:
        lifetime_s = longest_lifetime_s(organization)
    return replace(
        submission,
        strategy=Strategy.PARALLEL.value,
        auto_renew=True,
        lifetime_s=lifetime_s,
    )


def _submit(
    organization: Organization,
    actor: Actor,
    name: str,
    prepared: Submission,
    *,
    key: str = "",
    instead_of: Collection[UUID] = (),
) -> MitigationRequest:
    try:
        return mitigations.submit(
            organization=organization,
            actor=actor,
            submission=prepared,
            key=key,
            kind=RequestKind.STANDBY,
            name=name,
            consent=Consent(unknown_is_free=True),
            instead_of=instead_of,
        )
    except WouldReplace as error:
        # An earlier version of another plan, which its provider keeps until it holds the new one;
        # or an unknown plan.
        what = error.replaced[0].what
        problem = _overlaps_unknown(what) if isinstance(what, Unknown) else _overlaps(what.name)
        raise Invalid("Nothing was sent. Correct one thing.", errors=[problem]) from error


def _overlaps(plan: str) -> FieldError:
    message = (
        f"The plan {plan} covers some of these targets already. A provider holds only "
        "one plan for a target: change that plan, or choose other targets."
    )
    return FieldError("targets", "overlaps-plan", message)


def _overlaps_unknown(unknown: Unknown) -> FieldError:
    message = (
        f"{unknown.provider} holds {unknown.name} in standby, which no request here asked "
        f"for, and would drop it for this "
        "plan. Withdraw it on the Now page first, or make the plan cover all of it."
    )
    return FieldError("targets", "overlaps-unknown", message)


def _content_problems(
    organization: Organization, prepared: Submission, but: StandbyPlan | None
) -> Sequence[FieldError]:
    """What the check of a request finds; and of two plans with a common target a provider keeps
    only one.
    """
    try:
        checked = _checked(organization, prepared)
    except Invalid as error:
        return error.errors
    if but is not None and but.is_on and _differs(but, prepared) and (acting := _acting(but)):
        verb = "is" if len(acting) == 1 else "are"
        message = (
            f"{listed(acting)} {verb} filtering for this plan, and would stop for a new "
            f"version of it."
            " Activate the plan to filter for longer, or change it when the attack is over."
        )
        return [FieldError("targets", "plan-is-active", message)]
    for plan in _own(organization).prefetch_related("request__mitigations"):
        is_other = plan.is_on and (but is None or plan.pk != but.pk)
        if is_other and any(
            _meets(checked, mitigation) for mitigation in plan.request.mitigations.all()
        ):
            return [_overlaps(plan.name)]
    return []


def _acting(plan: StandbyPlan) -> list[str]:
    """The providers that activated it by themselves, by their short names."""
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


def _differs(plan: StandbyPlan, prepared: Submission) -> bool:
    """Whether a provider would be asked for something else than it was."""
    checked, request = _checked(plan.organization, prepared), plan.request
    wanted = (checked.scope, checked.ports, checked.protocols, checked.lifetime_s)
    held = (request.scope, request.ports, request.protocols, request.lifetime_s)
    current = current_mitigations(request.mitigations.all())
    scopes = {mitigation.subscription_id: mitigation.scope for mitigation in current}
    return (wanted, checked.scopes) != (held, scopes)


def proposal_of(plan: StandbyPlan) -> Proposal | None:
    """The request that activating the plan would send, by provider; None when it cannot be sent
    now.
    """
    try:
        return Proposal.of(_checked(plan.organization, submission_of(plan)))
    except Invalid:
        return None


def submission_of(plan: StandbyPlan) -> Submission:
    """What the plan asks for, as it was prepared; providers that can no longer be asked are left
    out.

    Where none of them can, all are named: the check refuses that, and nobody is asked whom nobody
    chose.
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
    return resubmission(
        request, resources=verified, subscriptions=set(map(UUID, request.subscriptions))
    )
