"""Create, change and remove plans; turn them off and on.

Locks are taken in this order: organization, plan, request and its dependents (docs/locking.md).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.audit.recording import record_row
from portal.audit.verbs import Verb
from portal.core.errors import Conflict, Invalid
from portal.mitigations import services as mitigations
from portal.mitigations.consent import Consent, WouldReplace
from portal.mitigations.models import MitigationRequest, RequestKind
from portal.mitigations.unknown import Unknown
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization
from portal.standby.models import StandbyPlan
from portal.standby.services.plan_content import (
    as_standby,
    differs,
    overlap_error,
    overlap_error_of_unknown,
    plans_of,
    problems,
    refuse_problems,
    submission_of,
)
from portal.standby.services.plan_versions import end_earlier, locked, versions

MAX_PLANS: Final = 20


@transaction.atomic
def create_plan(
    *, organization: Organization, actor: Actor, name: str, submission: Submission, key: str = ""
) -> StandbyPlan:
    """Create a plan that is on from now: every chosen provider is asked to hold it.

    The same `key` and content of the same person return the first plan. Raises Invalid with every
    invalid field.
    """
    person = actor.require_person()
    _lock(organization)
    prepared = as_standby(organization, submission)
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
    refuse_problems(problems(organization, name=name, submission=prepared))
    if plans_of(organization).count() >= MAX_PLANS:
        raise Conflict(
            f"{organization.name} has reached the limit of {MAX_PLANS} plans.",
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
    """Change the name or the content. New content is a new request with a higher mid and turns the
    plan on.

    A provider drops the old version when it accepts the new one. If the two have no target in
    common, or the new one is refused, the old version stays until the new one is held.
    """
    actor.require_person()
    plan = locked(plan_id, actor)
    name = None if name is None or name.strip() == plan.name else name.strip()
    prepared = None if submission is None else as_standby(plan.organization, submission)
    refuse_problems(problems(plan.organization, name=name, submission=prepared, but=plan))
    if name is not None:
        record_row(Verb.PLAN_CHANGED, plan, actor, before={"name": plan.name}, after={"name": name})
        plan.name = name
        plan.save(update_fields=["name"])
        MitigationRequest.objects.filter(pk=plan.request_id).update(name=name)
    if prepared is None:
        return plan
    if plan.is_on and not differs(plan, prepared):
        _change_reason(plan, actor, prepared.reason.strip())
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
    """Change the given fields, all or nothing.

    New content turns a plan on.
    """
    if is_on is False and submission is not None:
        raise Conflict(
            "Changing the content turns a plan on. Turn it off afterwards.", code="turns-it-on"
        )
    plan = change_plan(plan_id=plan_id, actor=actor, name=name, submission=submission)
    if is_on is None:
        return plan
    return (turn_on if is_on else turn_off)(plan_id=plan_id, actor=actor)


@transaction.atomic
def turn_off(*, plan_id: UUID, actor: Actor) -> StandbyPlan:
    """Withdraw the plan from every provider. Repeating it changes nothing."""
    actor.require_person()
    plan = locked(plan_id, actor)
    if plan.is_on:
        plan.request = mitigations.terminate(request_id=plan.request_id, actor=actor)
    end_earlier(plan)
    return plan


@transaction.atomic
def turn_on(*, plan_id: UUID, actor: Actor) -> StandbyPlan:
    """Ask the providers to hold it again, unchanged. Repeating it changes nothing."""
    actor.require_person()
    plan = locked(plan_id, actor)
    if not plan.is_on:
        prepared = submission_of(plan)
        refuse_problems(problems(plan.organization, submission=prepared, but=plan))
        _renew(plan, actor, prepared)
    return plan


@transaction.atomic
def remove_plan(*, plan_id: UUID, actor: Actor) -> None:
    """Turn it off and hide it; its events stay in the log."""
    actor.require_person()
    plan = locked(plan_id, actor)
    if plan.is_on:
        mitigations.terminate(request_id=plan.request_id, actor=actor)
    end_earlier(plan)
    plan.removed_at = timezone.now()
    plan.save(update_fields=["removed_at"])
    record_row(Verb.PLAN_REMOVED, plan, actor)


def _change_reason(plan: StandbyPlan, actor: Actor, reason: str) -> None:
    before = plan.request.reason
    if reason != before:
        record_row(
            Verb.PLAN_CHANGED, plan, actor, before={"reason": before}, after={"reason": reason}
        )
    MitigationRequest.objects.filter(pk=plan.request_id).update(reason=reason)


def _renew(plan: StandbyPlan, actor: Actor, prepared: Submission) -> None:
    request = _submit(plan.organization, actor, plan.name, prepared, instead_of=versions(plan))
    plan.earlier.add(plan.request)
    plan.request = request
    plan.save(update_fields=["request"])
    end_earlier(plan)


def _lock(organization: Organization) -> None:
    """Allow one change of an organization's plans at a time, since plans must not overlap."""
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)


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
        # An earlier version of another plan, which its provider holds until it has the new one; or
        # an unknown plan.
        what = error.replaced[0].what
        problem = (
            overlap_error_of_unknown(what)
            if isinstance(what, Unknown)
            else overlap_error(what.name)
        )
        raise Invalid("Nothing was sent. Correct one thing.", errors=[problem]) from error
