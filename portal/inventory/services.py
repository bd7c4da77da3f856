"""All changes to unknown mitigations.

Each function first locks the organization's event counter (docs/locking.md), so only one process at
a time decides.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.core.broadcast import wake_on_commit
from portal.core.errors import Conflict
from portal.core.json_value import UnreadableValueError
from portal.events.data import EventData
from portal.events.log import append_event, lock_log
from portal.events.models import EventType
from portal.inventory.adoptable import NotAdoptable, adoptable
from portal.inventory.models import Ending, Inventory, UnknownMitigation
from portal.inventory.reported_mitigation import ReportedMitigation, is_different, was_asked_by
from portal.mitigations import queries as mitigations
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.services.adopt import Running, adopt_mitigation
from portal.mitigations.states import CONFIRMED
from portal.organizations.access import require_current_role
from portal.organizations.acting import name_at
from portal.organizations.suspension import refuse_if_suspended
from portal.providers.models import Subscription

MAX_UNKNOWN: Final = 50
"""Maximum unknown mitigations per subscription: open ones plus those found within FOUND_WITHIN."""
FOUND_WITHIN: Final = timedelta(hours=1)
RETENTION: Final = timedelta(days=30)
"""How long a row is kept after its end."""


@transaction.atomic(savepoint=False)
def record_inventory(
    *,
    subscription_id: UUID,
    cuid: str,
    unknown: Sequence[ReportedMitigation],
    answered_mids: Collection[int],
    refusal: str,
    now: datetime,
) -> None:
    """Save the mitigations that a provider holds and that have no row here, and end those that it
    no longer holds.

    `answered_mids`: what the provider just answered about, held or not; other rows do not change.
    `refusal`: why it returned no list; empty if it returned one. The call is idempotent.
    """
    subscription = Subscription.objects.only("organization_id").get(pk=subscription_id)
    not_kept = 0
    if unknown or UnknownMitigation.objects.filter(subscription=subscription, ended_at=None):
        lock_log(subscription.organization_id)
        not_kept = _compare(subscription, cuid, unknown, answered_mids, now)
    Inventory.objects.update_or_create(
        subscription=subscription,
        defaults={
            "asked_at": now,
            "refusal": refusal,
            "not_kept": not_kept,
            **({} if refusal else {"told_at": now}),
        },
    )


@dataclass(frozen=True, slots=True)
class EmptyInventory:
    """A provider's answer that names nothing unknown. `refusal`: as in `record_inventory`."""

    subscription_id: UUID
    refusal: str
    at: datetime


def record_inventories(answers: Sequence[EmptyInventory]) -> set[UUID]:
    """Save the answers for which nothing has to be compared, with the same few statements for one
    and for many. Returns their subscriptions; `record_inventory` must save the others.
    """
    ids = [one.subscription_id for one in answers]
    still = UnknownMitigation.objects.filter(subscription__in=ids, ended_at=None)
    known = set(still.values_list("subscription_id", flat=True))
    plain = sorted(
        (one for one in answers if one.subscription_id not in known),
        key=lambda one: one.subscription_id,
    )
    listed = [one for one in plain if not one.refusal]
    refused = [one for one in plain if one.refusal]
    for several, columns in ((listed, ["told_at"]), (refused, [])):
        Inventory.objects.bulk_create(
            (
                Inventory(
                    subscription_id=one.subscription_id,
                    asked_at=one.at,
                    told_at=None if one.refusal else one.at,
                    refusal=one.refusal,
                )
                for one in several
            ),
            update_conflicts=True,
            unique_fields=["subscription"],
            update_fields=["asked_at", "refusal", "not_kept", *columns],
        )
    return {one.subscription_id for one in plain}


def _compare(
    subscription: Subscription,
    cuid: str,
    unknown: Sequence[ReportedMitigation],
    answered_mids: Collection[int],
    now: datetime,
) -> int:
    """Returns how many of `unknown` exceed the limit."""
    kept = {one.mid: one for one in _open(subscription)}
    seen = {one.mid: one for one in unknown}
    for row in kept.values():
        if row.cuid != cuid:
            _end(row, Ending.IDENTITY, now)
        elif row.mid in seen and row.withdrawal_asked_at and is_different(row, seen[row.mid]):
            # The provider now holds another mitigation than the withdrawn one: a person decides
            # about it again.
            _end(row, Ending.GONE, now)
        elif row.mid in seen:
            _update(row, seen[row.mid], now)
        elif row.mid in answered_mids:
            _end(row, _why_ended(row), now)
    still = {mid for mid, row in kept.items() if not row.is_over}
    new = [
        one for mid, one in seen.items() if mid not in still and not _is_owned(subscription, mid)
    ]
    # The newest ones matter most.
    new.sort(key=lambda one: one.mid, reverse=True)
    room = max(0, MAX_UNKNOWN - _found_lately(subscription, now))
    for one in new[:room]:
        _keep(subscription, cuid, one, now)
    UnknownMitigation.objects.filter(
        subscription=subscription, ended_at__lt=now - RETENTION
    ).delete()
    return len(new[room:])


def _open(subscription: Subscription) -> list[UnknownMitigation]:
    rows = UnknownMitigation.objects.select_for_update(no_key=True).order_by("mid")
    return list(rows.filter(subscription=subscription, ended_at=None))


def _found_lately(subscription: Subscription, now: datetime) -> int:
    """How many are open or were found recently. A provider may keep listing and dropping them."""
    own = UnknownMitigation.objects.filter(subscription=subscription)
    still = own.filter(ended_at=None).count()
    return still + own.filter(found_at__gt=now - FOUND_WITHIN, ended_at__isnull=False).count()


def _is_owned(subscription: Subscription, mid: int) -> bool:
    """Whether a request took the mid after the portal asked the provider."""
    own = Mitigation.objects.filter(subscription=subscription, mid=mid, confirmed_at__isnull=False)
    return own.filter(status__in=CONFIRMED).exists()


def _why_ended(row: UnknownMitigation) -> Ending:
    own = Mitigation.objects.filter(subscription_id=row.subscription_id, mid=row.mid)
    is_explained = own.filter(status__in=CONFIRMED).exists()
    return Ending.EXPLAINED if is_explained else Ending.GONE


def _keep(
    subscription: Subscription, cuid: str, reported: ReportedMitigation, now: datetime
) -> None:
    before = (
        Mitigation.objects.filter(
            subscription=subscription, mid=reported.mid, confirmed_at__isnull=False
        )
        .select_related("request")
        .first()
    )
    row = UnknownMitigation.objects.create(
        organization_id=subscription.organization_id,
        subscription=subscription,
        cuid=cuid,
        found_at=now,
        asked_once=before if before is not None and was_asked_by(before, reported) else None,
        **reported.columns(now),
    )
    _tell(row, EventType.UNKNOWN_FOUND, now)


NEWS: Final = ("dots_status", "targets", "ports", "protocols", "filters")
"""The columns whose change is an event."""


def _update(row: UnknownMitigation, reported: ReportedMitigation, now: datetime) -> None:
    columns = reported.columns(now)
    before = row.asked_once
    try:
        is_news = any(getattr(row, name) != columns[name] for name in NEWS)
        is_other = is_different(row, reported)
    except UnreadableValueError:
        # What the provider reports now replaces it.
        is_news = is_other = True
    if before is not None and is_other and not was_asked_by(before, reported):
        row.asked_once = None
    for name, value in columns.items():
        setattr(row, name, value)
    row.save(update_fields=[*columns, "asked_once"])
    if is_news:
        _tell(row, EventType.UNKNOWN_CHANGED, now)


def _end(row: UnknownMitigation, ending: Ending, now: datetime) -> None:
    row.ended_at, row.ending = now, ending
    row.save(update_fields=["ended_at", "ending"])
    _tell(row, EventType.UNKNOWN_ENDED, now, more={"why": ending.value})


@transaction.atomic
def withdraw(*, unknown_id: UUID, actor: Actor) -> UnknownMitigation:
    """Request its withdrawal. Repeated and concurrent calls have no further effect.

    Raises Conflict if a request owns it by now: terminate that request instead.
    """
    person = actor.require_person()
    row = _lock(unknown_id)
    require_current_role(row.organization_id, actor)
    if row.ending == Ending.ADOPTED:
        raise Conflict(
            f"{_adopter(row)} adopted it. Terminate that request instead.",
            code="adopted",
        )
    if row.is_over or row.withdrawal_asked_at:
        return row
    now = timezone.now()
    row.withdrawal_asked_at, row.withdrawn_by = now, person
    row.save(update_fields=["withdrawal_asked_at", "withdrawn_by"])
    _tell(row, EventType.UNKNOWN_WITHDRAW_REQUESTED, now, actor=actor)
    wake_on_commit(row.subscription_id)
    return row


@transaction.atomic
def adopt(*, unknown_id: UUID, actor: Actor) -> MitigationRequest:
    """Create a request that owns the mitigation. Repeated and concurrent calls return the same
    request.

    Conflict, with a code for the reason, if no request of the organization could ask for it.
    """
    person = actor.require_person()
    row = _lock(unknown_id)
    require_current_role(row.organization_id, actor)
    if row.request is not None:
        return row.request
    refuse_if_suspended(row.organization_id)
    organization, provider = row.organization, row.subscription.provider.short_name
    now = timezone.now()
    try:
        found = adoptable(
            row,
            provider=provider,
            has_row=Mitigation.objects.filter(subscription=row.subscription, mid=row.mid).exists(),
            resources=mitigations.verified_resources(organization),
            eligible_providers=mitigations.eligible_providers(organization),
            policy=mitigations.policy(organization),
            now=now,
        )
    except NotAdoptable as error:
        raise Conflict(f"It was not adopted. {error.message}", code=error.code) from None
    request = adopt_mitigation(
        organization=organization,
        actor=actor,
        checked=found.checked,
        running=Running(
            subscription_id=row.subscription_id,
            mid=row.mid,
            scope=found.checked.asked,
            ports=row.ports,
            protocols=row.protocols,
            lifetime_s=found.lifetime_s,
            dots_status=row.dots_status,
            reported_at=row.reported_at,
            began_at=min(row.mitigation_start or row.found_at, row.found_at),
            expires_at=row.expires_at,
        ),
        now=now,
    )
    row.request, row.adopted_by, row.ended_at, row.ending = request, person, now, Ending.ADOPTED
    row.save(update_fields=["request", "adopted_by", "ended_at", "ending"])
    _tell(row, EventType.UNKNOWN_ADOPTED, now, actor=actor, more={"request": str(request.pk)})
    return request


@transaction.atomic(savepoint=False)
def record_withdrawal_confirmed(*, unknown_id: UUID, now: datetime) -> None:
    """Record that the provider confirmed the withdrawal (2.02).

    It may still filter for a while (RFC 9132 section 4.4.4).
    """
    row = _lock(unknown_id)
    if row.is_over:
        return
    is_news = row.withdrawal_confirmed_at is None
    row.withdrawal_confirmed_at = row.withdrawal_confirmed_at or now
    row.told_at, row.refusal_code = now, ""
    row.save(update_fields=["withdrawal_confirmed_at", "told_at", "refusal_code"])
    if is_news:
        _tell(row, EventType.UNKNOWN_CHANGED, now, more={"told": True})


@transaction.atomic(savepoint=False)
def record_release(*, unknown_id: UUID, now: datetime) -> bool:
    """Record that the portal asks the provider to release a mitigation in standby; False if it must
    not ask.

    Saved before the PUT is sent, so that the number of attempts is limited whatever the provider
    answers.
    """
    row = _lock(unknown_id)
    if row.is_over or row.is_release_given_up or not row.is_still_held:
        return False
    row.release_tried_at, row.release_tries = now, row.release_tries + 1
    row.save(update_fields=["release_tried_at", "release_tries"])
    if row.release_tries == 1 or row.is_release_given_up:
        _tell(
            row,
            EventType.UNKNOWN_CHANGED,
            now,
            more={"why": "still_held", "tries": row.release_tries},
        )
    return True


@transaction.atomic(savepoint=False)
def record_withdrawal_refused(*, unknown_id: UUID, code: str, now: datetime) -> None:
    """Record that the provider refused the withdrawal. The portal retries it."""
    row = _lock(unknown_id)
    if row.is_over or row.refusal_code == code:
        return
    row.refusal_code = code
    row.save(update_fields=["refusal_code"])
    _tell(row, EventType.UNKNOWN_CHANGED, now, more={"code": code})


def _lock(unknown_id: UUID) -> UnknownMitigation:
    organization_id = UnknownMitigation.objects.values_list("organization_id", flat=True).get(
        pk=unknown_id
    )
    lock_log(organization_id)
    rows = UnknownMitigation.objects.select_for_update(of=("self",), no_key=True)
    related = ("organization", "subscription__provider", "adopted_by", "withdrawn_by", "request")
    return rows.select_related(*related).get(pk=unknown_id)


def _tell(
    row: UnknownMitigation,
    type: EventType,
    now: datetime,
    *,
    actor: Actor | None = None,
    more: EventData | None = None,
) -> None:
    append_event(
        organization_id=row.organization_id,
        type=type,
        at=now,
        actor=actor,
        data={
            "unknown_mitigation": str(row.pk),
            "subscription": str(row.subscription_id),
            "mid": row.mid,
            "dots_status": row.dots_status,
            **(more or {}),
        },
    )


def _adopter(row: UnknownMitigation) -> str:
    """Its adoption ended it."""
    return name_at(row.adopted_by, row.organization_id, row.ended_at) or "Someone"
