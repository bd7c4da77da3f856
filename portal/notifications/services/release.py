"""Send what was held: alone, or several notices of one person as one digest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from portal.core.sweeping import count_done
from portal.notifications.facts import NoticeFacts
from portal.notifications.kinds import DIGEST
from portal.notifications.message import Severity
from portal.notifications.models import Notice, NoticeState, QuietHours
from portal.notifications.retries import quiet_until
from portal.notifications.services.write import in_turn, zone_of

MAX_RECEIVERS: Final = 200
"""In one run."""
MAX_DIGESTED: Final = 1000
"""Notices in one digest; more make a second one."""


def release(now: datetime) -> int:
    """Queue what is due. Returns how many rows were queued."""
    due = Notice.objects.filter(state=NoticeState.HELD, next_try_at__lte=now)
    receivers = due.order_by().values_list("organization_id", "receiver").distinct()
    return count_done(lambda one: _release(*one, now), list(receivers[:MAX_RECEIVERS]))


def _release(organization_id: UUID, receiver: str, now: datetime) -> int:
    with in_turn(organization_id):
        own = Notice.objects.filter(
            organization_id=organization_id, receiver=receiver, state=NoticeState.HELD
        )
        held = list(own.select_related("user").order_by("pk")[:MAX_DIGESTED])
        if not held:
            return 0
        until = _quiet_until(held[0], now)
        if until is not None and until > now:
            own.update(next_try_at=until)
            return 0
        if len(held) == 1:
            own.update(state=NoticeState.QUEUED, next_try_at=now)
            return 1
        digest = _digest(held, now)
        digest.save(force_insert=True)
        Notice.objects.filter(pk__in=[one.pk for one in held]).update(
            state=NoticeState.DIGESTED, next_try_at=None, digest=digest
        )
        return 1


def _quiet_until(notice: Notice, now: datetime) -> datetime | None:
    """Quiet hours may have begun, or been changed, while it was held."""
    hours = QuietHours.objects.filter(
        membership__user=notice.user_id, membership__organization=notice.organization_id
    ).first()
    if hours is None or notice.user is None:
        return None
    return quiet_until(now, (hours.begins, hours.ends), zone_of(notice.user))


def _digest(held: Sequence[Notice], now: datetime) -> Notice:
    first = held[0]
    worst = min((Severity(one.severity) for one in held), key=list(Severity).index)
    return Notice(
        organization_id=first.organization_id,
        key=f"digest:{first.pk}",
        receiver=first.receiver,
        user=first.user,
        channel_kind=first.channel_kind,
        kind=DIGEST,
        severity=worst,
        thread=f"digest:{first.pk}",
        opens_thread=True,
        closes_thread=True,
        facts=NoticeFacts(count=len(held)),
        occurred_at=now,
        created_at=now,
        next_try_at=now,
    )
