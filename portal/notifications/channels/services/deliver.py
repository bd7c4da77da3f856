"""Send a message through a channel, and record how the receiver answered."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from portal.audit.recording import PORTAL, record_row
from portal.audit.verbs import Verb
from portal.core.errors import SecretUnreadable
from portal.notifications.channels.models import NoticeChannel, NoticeDelivery, OffBecause
from portal.notifications.channels.receiver import shown_text
from portal.notifications.channels.registry import CHANNELS
from portal.notifications.channels.sealed_values import values_of
from portal.notifications.message import NoticeMessage, Outcome, ReceiverAnswer, Severity

MAX_DELIVERIES: Final = 200
"""Kept of one channel; the oldest go first."""
_RANK: Final = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


def is_wanted(channel: NoticeChannel, kind: str, severity: Severity) -> bool:
    """Whether the channel gets such a notice. The end of a thread always counts: the receiver may
    have seen its beginning.
    """
    if not channel.is_enabled or (channel.notice_kinds and kind not in channel.notice_kinds):
        return False
    if severity is Severity.RESOLVED:
        return True
    return _RANK[severity] >= _RANK[Severity(channel.min_severity)]


def deliver(
    channel: NoticeChannel, message: NoticeMessage, *, is_test: bool = False
) -> ReceiverAnswer:
    """Send it once, and record the answer. Not inside a transaction: it waits for the receiver."""
    answer = send(channel, message)
    record_delivery(channel, message, answer, now=timezone.now(), is_test=is_test)
    return answer


def send(channel: NoticeChannel, message: NoticeMessage) -> ReceiverAnswer:
    try:
        values = values_of(channel, timezone.now())
    except SecretUnreadable:
        return ReceiverAnswer(Outcome.RETRY, "The portal cannot decrypt the channel’s secrets.")
    return CHANNELS[channel.kind].send(message, values)


@transaction.atomic
def record_delivery(
    channel: NoticeChannel,
    message: NoticeMessage,
    answer: ReceiverAnswer,
    *,
    now: datetime,
    is_test: bool = False,
) -> None:
    """One line of the delivery log, and what the channel's pages show. A receiver that is gone
    switches its channel off.
    """
    locked = NoticeChannel.objects.select_for_update(no_key=True).filter(pk=channel.pk).first()
    if locked is None:
        return
    NoticeDelivery.objects.create(
        channel=locked,
        at=now,
        message_id=message.id,
        kind=message.kind,
        severity=message.severity,
        title=message.title[:120],
        is_test=is_test,
        outcome=answer.outcome,
        answer=shown_text(answer.text),
    )
    _prune(locked)
    _show(locked, answer, now)


def _prune(channel: NoticeChannel) -> None:
    newest = NoticeDelivery.objects.filter(channel=channel).order_by("-at", "-id")
    too_many = list(newest.values_list("pk", flat=True)[MAX_DELIVERIES : 2 * MAX_DELIVERIES])
    if too_many:
        NoticeDelivery.objects.filter(pk__in=too_many).delete()


def _show(channel: NoticeChannel, answer: ReceiverAnswer, now: datetime) -> None:
    rows = NoticeChannel.objects.filter(pk=channel.pk)
    text = shown_text(answer.text)
    if answer.outcome is Outcome.SENT:
        rows.update(last_success_at=now, failures=0, last_answer=text)
        return
    rows.update(last_failure_at=now, failures=F("failures") + 1, last_answer=text)
    if answer.outcome is Outcome.GONE and channel.is_enabled:
        rows.update(is_enabled=False, off_because=OffBecause.GONE)
        record_row(
            Verb.NOTICE_CHANNEL_CHANGED,
            channel,
            PORTAL,
            before={"is_enabled": True},
            after={"is_enabled": False, "off_because": OffBecause.GONE},
        )
