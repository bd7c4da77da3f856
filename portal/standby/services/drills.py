"""Drills: a real standby request to each provider, confirmed, withdrawn and timed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.core.errors import Conflict
from portal.core.formatting import when
from portal.core.sweeping import count_done
from portal.core.targets import Kind, Target
from portal.events.data import EventData
from portal.events.log import append_event
from portal.events.models import EventType
from portal.mitigations import queries as mitigation_queries
from portal.mitigations import services as mitigations
from portal.mitigations.models import Mitigation, RequestKind, Strategy
from portal.mitigations.states import ACTIVE, Status
from portal.mitigations.unknown import replaceable_unknown
from portal.mitigations.validation import EligibleProvider, Submission
from portal.organizations.access import require_current_role
from portal.organizations.acting import name_at
from portal.organizations.models import Organization
from portal.organizations.suspension import refuse_if_suspended
from portal.standby.models import (
    Drill,
    DrillCheck,
    DrillMethod,
    Failure,
)
from portal.standby.queries import IN_STANDBY, to_hold_in_standby
from portal.standby.scope import drill_target

CONFIRM_WITHIN: Final = timedelta(seconds=30)
"""A provider that has not confirmed by then has failed the drill; its part is withdrawn anyway."""
END_WITHIN: Final = timedelta(seconds=75)
"""The drill ends by then, whatever is still open."""
DRILL_LIFETIME_S: Final = 300
"""The lifetime a drill asks for. It is not renewed, so it ends at the provider even without
contact.
"""
MAX_FOLLOWED: Final = 200
"""Maximum drills per sweep; the rest waits for the next one."""


@transaction.atomic
def start_drill(*, organization: Organization, actor: Actor) -> Drill:
    """Test every enabled provider.

    Raises Conflict while another drill runs, or while a mitigation is live.
    """
    person = actor.require_person()
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    _refuse_if_unfit(organization)
    now = timezone.now()
    eligible_providers = mitigation_queries.eligible_providers(organization)
    if not eligible_providers:
        raise Conflict(f"{organization.name} has no provider to test.", code="no-provider")
    drill = Drill.objects.create(organization=organization, started_at=now, started_by=person)
    _test(drill, eligible_providers, actor, now)
    if not drill.checks.exists():
        raise Conflict(
            (
                f"{organization.name} has no verified resource to test with. Portal "
                f"staff verify resources."
            ),
            code="nothing-to-test",
        )
    _tell(drill, EventType.DRILL_STARTED, now, actor=actor)
    return drill


def _test(
    drill: Drill, eligible_providers: Sequence[EligibleProvider], actor: Actor, now: datetime
) -> None:
    """Send a request to each provider that has a free target; confirm the plans of the others."""
    organization = drill.organization
    resources = [
        one for one in mitigation_queries.verified_resources(organization) if one.is_askable
    ]
    fresh: dict[Target, list[UUID]] = defaultdict(list)
    plans = {
        provider.subscription: to_hold_in_standby(provider.subscription)
        for provider in eligible_providers
    }
    mitigations.lock_requests(plan.request_id for held in plans.values() for plan in held)
    require_current_role(organization.pk, actor)
    refuse_if_suspended(organization.pk)
    unknown = replaceable_unknown(organization.pk, RequestKind.DRILL)
    for provider in eligible_providers:
        held = plans[provider.subscription]
        taken = [plan.scope for plan in held]
        taken += [one.scope for one in unknown if one.subscription_id == provider.subscription]
        target = drill_target(provider, resources, taken)
        if target is not None:
            fresh[target].append(provider.subscription)
        for plan in held if target is None else ():
            _confirm_plan(drill, plan, now)
    for target, group in fresh.items():
        _send_request(drill, target, group, actor, now)


def _refuse_if_unfit(organization: Organization) -> None:
    running = Drill.objects.filter(organization=organization, ended_at__isnull=True).first()
    if running is not None:
        raise Conflict(
            f"{name_at(running.started_by, organization.pk, running.started_at)} started a drill "
            f"{when(running.started_at, timezone.now(), zone=True)}. "
            "It is still running.",
            code="drill-running",
        )
    live = mitigation_queries.live_requests(organization).first()
    if live is not None:
        raise Conflict(
            f"{live.name} is live. Run a drill when no request is live.",
            code="under-attack",
        )


def _confirm_plan(drill: Drill, plan: Mitigation, now: datetime) -> None:
    asked_at = mitigations.ask_refresh(mitigation_id=plan.pk)
    DrillCheck.objects.create(
        drill=drill,
        subscription_id=plan.subscription_id,
        way=DrillMethod.PLAN,
        mitigation=plan,
        asked_at=asked_at or now,
        failure="" if asked_at else Failure.NOT_HELD,
    )


def _send_request(
    drill: Drill, target: Target, group: list[UUID], actor: Actor, now: datetime
) -> None:
    request = mitigations.submit(
        organization=drill.organization,
        actor=actor,
        kind=RequestKind.DRILL,
        name="Drill",
        submission=Submission(
            prefixes=(str(target),) if target.kind == Kind.PREFIX else (),
            fqdns=(str(target),) if target.kind == Kind.FQDN else (),
            uris=(str(target),) if target.kind == Kind.URI else (),
            lifetime_s=DRILL_LIFETIME_S,
            auto_renew=False,
            strategy=Strategy.PARALLEL.value,
            subscriptions=tuple(group),
        ),
    )
    DrillCheck.objects.bulk_create(
        DrillCheck(
            drill=drill,
            subscription_id=mitigation.subscription_id,
            way=DrillMethod.REQUEST,
            mitigation=mitigation,
            asked_at=now,
        )
        for mitigation in request.mitigations.all()
    )


def follow_drills(*, now: datetime) -> int:
    """Record the progress of running drills and withdraw confirmed requests; return how many are
    still running.
    """
    running = Drill.objects.filter(ended_at__isnull=True).order_by("started_at")
    followed = list(running.values_list("pk", flat=True)[:MAX_FOLLOWED])
    return count_done(partial(_advance, now=now), followed)


@transaction.atomic
def _advance(drill_id: UUID, now: datetime) -> bool:
    """Whether the drill is still running afterwards."""
    drill = Drill.objects.select_for_update(of=("self",)).get(pk=drill_id)
    if drill.ended_at is not None:
        return False
    mitigations.lock_requests(drill.checks.values_list("mitigation__request_id", flat=True))
    checks = list(drill.checks.select_related("mitigation__subscription__provider"))
    for check in checks:
        if not check.is_over:
            _look_at(check, drill.started_at, now)
    if not all(check.is_over for check in checks):
        return True
    drill.ended_at = now
    drill.save(update_fields=["ended_at"])
    _tell(
        drill,
        EventType.DRILL_ENDED,
        now,
        data={"passed": all(not check.failure for check in checks)},
    )
    return False


def _tell(
    drill: Drill,
    type: EventType,
    at: datetime,
    *,
    actor: Actor | None = None,
    data: EventData | None = None,
) -> None:
    append_event(
        organization_id=drill.organization_id,
        type=type,
        at=at,
        actor=actor,
        data={"drill": str(drill.pk), **(data or {})},
    )


def _look_at(check: DrillCheck, started_at: datetime, now: datetime) -> None:
    mitigation = check.mitigation
    if check.way == DrillMethod.PLAN:
        _look_at_plan(check, mitigation)
    else:
        _look_at_request(check, mitigation)
    if not check.is_over:
        check.failure = _overdue(check, now - started_at)
    is_done = check.confirmed_at is not None or check.failure
    if check.way == DrillMethod.REQUEST and is_done and check.withdrawn_at is None:
        mitigations.withdraw_mitigation(mitigation_id=mitigation.pk)
        check.withdrawn_at = now
    check.save()


def _look_at_request(check: DrillCheck, mitigation: Mitigation) -> None:
    check.sent_at = mitigation.sent_at
    if check.confirmed_at is None and mitigation.dots_status == IN_STANDBY:
        check.confirmed_at = mitigation.reported_at
    check.told_at = mitigation.withdrawal_confirmed_at
    if check.withdrawn_at is not None and mitigation.status == Status.TERMINATED:
        check.ended_at = mitigation.ended_at
        # The report of the end may arrive before the answer to the withdrawal. A provider that
        # ended it received the withdrawal.
        check.told_at = check.told_at or mitigation.ended_at
    elif mitigation.status == Status.REFUSED:
        _refuse(check, mitigation)
    elif mitigation.status in (*ACTIVE, Status.WITHDRAWN):
        check.failure = Failure.ACTED
    elif mitigation.is_over:
        check.failure = Failure.NOT_HELD


def _look_at_plan(check: DrillCheck, mitigation: Mitigation) -> None:
    if mitigation.status in ACTIVE:
        # Do not ask again while a provider filters for the plan: some would stop.
        check.failure = Failure.ACTED
        return
    if mitigation.refreshed_at is None or mitigation.refreshed_at < check.asked_at:
        return
    check.sent_at = mitigation.refreshed_at
    if mitigation.refusal_code:
        _refuse(check, mitigation)
    elif mitigation.status != Status.STANDBY:
        check.failure = Failure.NOT_HELD
    elif (
        mitigation.dots_status == IN_STANDBY
        and (mitigation.reported_at or check.asked_at) > mitigation.refreshed_at
    ):
        check.confirmed_at = check.ended_at = mitigation.reported_at


def _overdue(check: DrillCheck, age: timedelta) -> str:
    """The failure of a check that has run out of time; empty while there is time."""
    if check.confirmed_at is None:
        if age < CONFIRM_WITHIN:
            return ""
        is_unsent = check.way == DrillMethod.REQUEST and check.sent_at is None
        return Failure.NOT_SENT if is_unsent else Failure.NO_ANSWER
    if age < END_WITHIN:
        return ""
    return Failure.NOT_ENDED if check.told_at else Failure.NOT_TOLD


def _refuse(check: DrillCheck, mitigation: Mitigation) -> None:
    check.failure = Failure.REFUSED
    check.refusal_code = mitigation.refusal_code
    check.refusal_reason = mitigation.refusal_reason
    check.conflict = mitigation.conflict
