"""Deliver what is due, and save how each receiver answered.

A worker that dies between any two steps leaves a row that is due again when its claim ends, with
the same message id. No row is locked while a receiver is asked.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from portal.core.database import is_away
from portal.notifications.message import MAX_ANSWER_CHARS, Outcome, ReceiverAnswer
from portal.notifications.messages import message_of
from portal.notifications.models import UNFINISHED, Notice, NoticeState
from portal.notifications.receivers import route_of, tell_answer
from portal.notifications.retries import GIVE_UP_AFTER, MAX_TRIES, pause_s
from portal.organizations.models import Membership

logger = logging.getLogger(__name__)

BATCH: Final = 100
"""Notices that one claim takes: first the oldest of each receiver, then the second and so on."""
CLAIMED_FOR: Final = timedelta(seconds=60)
"""Longer than a try; renewed before each."""
RUNS_FOR_S: Final = 20.0
"""After that, a run gives back what it claimed. With the last try, it is less than CLAIMED_FOR."""
OTHERS_WAIT: Final = timedelta(seconds=60)
"""The longest that one failure keeps back the other notices of its receiver."""
_random: Final = random.SystemRandom()
_NO_ANSWER: Final = "No answer was saved."
_NO_RECEIVER: Final = "The receiver takes no more notices."
_FAILED: Final = "The portal failed; its log says how."


def deliver(clock: Callable[[], datetime] = timezone.now) -> int:
    """Try everything that is due. Returns how many notices were tried."""
    began, tried = time.monotonic(), 0
    while time.monotonic() - began < RUNS_FOR_S:
        claim = uuid4()
        claimed = _claim(claim, clock())
        if not claimed:
            break
        failed: set[str] = set()
        for notice in claimed:
            if time.monotonic() - began > RUNS_FOR_S:
                _give_back(notice, claim, clock())
            elif notice.receiver in failed:
                _give_back(notice, claim, clock() + OTHERS_WAIT)
            elif _begin_try(notice, claim, clock()):
                tried += 1
                if not _try(notice, claim, clock):
                    failed.add(notice.receiver)
    return tried


def _due(now: datetime) -> QuerySet[Notice]:
    """In each thread of a receiver, only the oldest that is not finished: the end of an incident
    must not arrive before its beginning.
    """
    unfinished = Notice.objects.filter(state__in=UNFINISHED)
    earlier = unfinished.filter(
        receiver=OuterRef("receiver"), thread=OuterRef("thread"), pk__lt=OuterRef("pk")
    )
    return unfinished.filter(~Exists(earlier), next_try_at__lte=now)


def _claim(claim: UUID, now: datetime) -> list[Notice]:
    turn = Window(RowNumber(), partition_by=F("receiver"), order_by=F("pk").asc())
    turns = _due(now).annotate(turn=turn)
    ids = list(turns.order_by("turn", "next_try_at", "pk").values_list("pk", flat=True)[:BATCH])
    if not ids:
        return []
    skip = connection.features.has_select_for_update_skip_locked
    with transaction.atomic():
        locked = Notice.objects.select_for_update(skip_locked=skip, of=_of_self())
        free = locked.filter(pk__in=ids, state__in=UNFINISHED, next_try_at__lte=now)
        found = list(free.order_by("pk").only("pk"))
        Notice.objects.filter(pk__in=[one.pk for one in found]).update(
            claim=claim, next_try_at=now + CLAIMED_FOR
        )
    rows = Notice.objects.select_related("organization", "user")
    claimed = rows.in_bulk([one.pk for one in found])
    return [claimed[pk] for pk in ids if pk in claimed]


def _of_self() -> tuple[str, ...]:
    return ("self",) if connection.features.has_select_for_update_of else ()


def _own(notice: Notice, claim: UUID) -> QuerySet[Notice]:
    """The row, if no other worker has taken it since."""
    return Notice.objects.filter(pk=notice.pk, claim=claim, state__in=UNFINISHED)


def _give_back(notice: Notice, claim: UUID, due: datetime) -> None:
    """Not tried: there was no time, or its receiver has just failed for another one."""
    _own(notice, claim).update(claim=None, next_try_at=due)


def _begin_try(notice: Notice, claim: UUID, now: datetime) -> bool:
    """Count the try before it begins, so that a notice that ends its worker is given up too."""
    if notice.tries >= MAX_TRIES:
        _save(notice, claim, ReceiverAnswer(Outcome.REFUSED, notice.answer or _NO_ANSWER), now)
        return False
    began = _own(notice, claim).update(
        tries=F("tries") + 1, tried_at=now, next_try_at=now + CLAIMED_FOR
    )
    notice.tries += 1
    return began == 1


def _try(notice: Notice, claim: UUID, clock: Callable[[], datetime]) -> bool:
    """Whether the receiver is there."""
    answer = _ask(notice)
    _save(notice, claim, answer, clock())
    return answer.outcome != Outcome.RETRY


def _ask(notice: Notice) -> ReceiverAnswer:
    try:
        if not _may_receive(notice):
            return ReceiverAnswer(Outcome.REFUSED, _NO_RECEIVER)
        route = route_of(notice)
        if route is None:
            return ReceiverAnswer(Outcome.REFUSED, _NO_RECEIVER)
        return route.channel.send(message_of(notice), route.values)
    except Exception as error:
        # A row of an earlier release may break any step; the others must still be delivered.
        if is_away(error):
            raise
        logger.exception("notice %s could not be delivered", notice.pk)
        return ReceiverAnswer(Outcome.RETRY, _FAILED)


def _may_receive(notice: Notice) -> bool:
    """A person may have left since, or been locked out."""
    if notice.user_id is None:
        return True
    own = Membership.objects.filter(
        organization=notice.organization_id,
        organization__is_active=True,
        user=notice.user_id,
        user__is_active=True,
    )
    return own.exists()


@transaction.atomic
def _save(notice: Notice, claim: UUID, answer: ReceiverAnswer, now: datetime) -> None:
    """Nothing, if another worker has taken it since."""
    state, due = _next_state(notice, answer, now)
    changed = _own(notice, claim).update(
        state=state, next_try_at=due, answer=answer.text[:MAX_ANSWER_CHARS]
    )
    if not changed:
        return
    _tell_channel(notice, answer, now)
    others = Notice.objects.filter(receiver=notice.receiver, state__in=UNFINISHED)
    if answer.outcome == Outcome.GONE:
        others.update(
            state=NoticeState.DEAD, next_try_at=None, answer=answer.text[:MAX_ANSWER_CHARS]
        )
    elif answer.outcome == Outcome.RETRY and due is not None:
        until = min(due, now + OTHERS_WAIT)
        others.exclude(pk=notice.pk).filter(next_try_at__lt=until).update(next_try_at=until)


def _tell_channel(notice: Notice, answer: ReceiverAnswer, now: datetime) -> None:
    """A channel that cannot record the answer must not make the notice due for ever."""
    try:
        with transaction.atomic():
            tell_answer(notice, answer, now)
    except Exception as error:
        if is_away(error):
            raise
        logger.exception("the answer to notice %s was not recorded", notice.pk)


def _next_state(
    notice: Notice, answer: ReceiverAnswer, now: datetime
) -> tuple[NoticeState, datetime | None]:
    if answer.outcome == Outcome.SENT:
        return NoticeState.SENT, None
    if answer.outcome != Outcome.RETRY:
        return NoticeState.DEAD, None
    chance = _random.uniform(0, 1)
    pause = pause_s(notice.tries, chance=chance, retry_after_s=answer.retry_after_s)
    if pause is None or now - notice.created_at > GIVE_UP_AFTER:
        return NoticeState.DEAD, None
    return NoticeState.FAILED, now + timedelta(seconds=pause)
