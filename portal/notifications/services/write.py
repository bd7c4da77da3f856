"""Write one row per happening and receiver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Max, QuerySet

from portal.accounts.models import User
from portal.accounts.time_zones import UTC, zone_names
from portal.events.cursors import lock_cursor
from portal.notifications.facts import NoticeFacts
from portal.notifications.happened import RECOVERS, Happened
from portal.notifications.kinds import AT_ONCE, DIGEST, NoticeKind
from portal.notifications.message import Severity
from portal.notifications.models import Notice, NoticeState
from portal.notifications.receivers import Receiver, Recipients
from portal.notifications.retries import WINDOW, held_until
from portal.organizations.models import Organization

CONSUMER: Final = "notices"


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What happened, with all that its notices say."""

    happened: Happened
    facts: NoticeFacts
    occurred_at: datetime
    event: dict[str, Any]
    "as the API sends it"
    request_id: UUID | None = None
    only_for: frozenset[UUID] | None = None
    "of the people, only these get it; None: all"
    knows: UUID | None = None
    "the person who did it, and needs no notice"


@contextmanager
def in_turn(organization_id: UUID) -> Iterator[None]:
    """Only one process writes notices of an organization at a time: what it counts stays true."""
    with transaction.atomic():
        lock_cursor(CONSUMER, organization_id)
        yield


def write(news: Mapping[Organization, Sequence[News]], now: datetime) -> int:
    """Must run in turn for each organization, in a transaction that remembers the keys. Returns how
    many rows are new.
    """
    if not news:
        return 0
    wanted = _wanted(news)
    threads = _Threads.of(wanted)
    traffic = _Traffic.of(wanted, now)
    rows = []
    for organization, one, receiver in wanted:
        if threads.is_worth_telling(organization, one.happened, receiver):
            row = _row(organization, one, receiver, now)
            row.opens_thread = threads.opens(organization, one.happened, receiver)
            traffic.hold(row, receiver, now)
            rows.append(row)
    Notice.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


_Wanted = tuple[Organization, News, Receiver]


def _wanted(news: Mapping[Organization, Sequence[News]]) -> list[_Wanted]:
    """The notices that receivers want, in the order of the events."""
    recipients = Recipients.of(news.keys())
    known: dict[tuple[UUID, NoticeKind, Severity], list[Receiver]] = {}
    wanted: list[_Wanted] = []
    for organization, own in news.items():
        for one in own:
            kind = (one.happened.kind, one.happened.severity)
            key = (organization.pk, *kind)
            if key not in known:
                known[key] = list(recipients[organization.pk].of_kind(*kind))
            wanted += [(organization, one, to) for to in known[key] if _is_for(one, to)]
    return wanted


def _is_for(news: News, receiver: Receiver) -> bool:
    if receiver.user is None:
        return True
    person = receiver.user.pk
    return person != news.knows and (news.only_for is None or person in news.only_for)


def _row(organization: Organization, news: News, receiver: Receiver, now: datetime) -> Notice:
    happened = news.happened
    return Notice(
        organization=organization,
        key=happened.key,
        receiver=receiver.name,
        user=receiver.user,
        channel_id=receiver.channel_id,
        channel_kind=receiver.channel_kind,
        kind=happened.kind,
        severity=happened.severity,
        thread=happened.thread,
        closes_thread=happened.closes_thread,
        request_id=news.request_id,
        facts=news.facts,
        event=news.event,
        occurred_at=news.occurred_at,
        created_at=now,
        next_try_at=now,
    )


_Told = tuple[UUID, str]
"""An organization and a receiver: a person may be in several organizations."""


@dataclass(frozen=True, slots=True)
class _Threads:
    """The last severity of each kind that each receiver got, by thread."""

    last: dict[tuple[_Told, str], dict[str, str]]
    keys: set[tuple[_Told, str]]
    "of the rows that are there already"

    @classmethod
    def of(cls, wanted: Sequence[_Wanted]) -> _Threads:
        own = _own(wanted)
        in_threads = own.filter(thread__in={one.happened.thread for _, one, _ in wanted})
        by_kind = in_threads.order_by().values("organization", "receiver", "thread", "kind")
        newest = by_kind.annotate(at=Max("id"))
        last: dict[tuple[_Told, str], dict[str, str]] = {}
        for row in Notice.objects.filter(pk__in=[one["at"] for one in newest]).only(
            "organization_id", "receiver", "thread", "kind", "severity"
        ):
            told = (row.organization_id, row.receiver)
            last.setdefault((told, row.thread), {})[row.kind] = row.severity
        there = own.filter(key__in={one.happened.key for _, one, _ in wanted})
        keys = there.values_list("organization_id", "receiver", "key")
        return cls(last, {((pk, receiver), key) for pk, receiver, key in keys})

    def is_worth_telling(
        self, organization: Organization, happened: Happened, receiver: Receiver
    ) -> bool:
        told = (organization.pk, receiver.name)
        if (told, happened.key) in self.keys:
            return False
        if not happened.is_recovery:
            return True
        before = self.last.get((told, happened.thread), {})
        kinds = RECOVERS.get(happened.kind, (happened.kind,))
        return any(before.get(kind, Severity.RESOLVED) != Severity.RESOLVED for kind in kinds)

    def opens(self, organization: Organization, happened: Happened, receiver: Receiver) -> bool:
        """Whether it is the first of its thread; remembers it."""
        told = (organization.pk, receiver.name)
        before = self.last.setdefault((told, happened.thread), {})
        is_first = not before
        for kind in RECOVERS.get(happened.kind, (happened.kind,)):
            if kind == happened.kind or happened.is_recovery:
                before[kind] = happened.severity
        self.keys.add((told, happened.key))
        return is_first


def _own(wanted: Sequence[_Wanted]) -> QuerySet[Notice]:
    """The notices of these organizations to these receivers."""
    return Notice.objects.filter(
        organization__in={one.pk for one, _, _ in wanted},
        receiver__in={receiver.name for _, _, receiver in wanted},
    )


@dataclass(frozen=True, slots=True)
class _Traffic:
    """What each person got in the last minutes, and what waits."""

    recent: dict[_Told, list[datetime]] = field(default_factory=dict)
    waiting: dict[_Told, datetime] = field(default_factory=dict)

    @classmethod
    def of(cls, wanted: Sequence[_Wanted], now: datetime) -> _Traffic:
        found = cls()
        own = _own([one for one in wanted if one[2].is_person])
        counted = own.filter(created_at__gt=now - WINDOW).exclude(
            state__in=[NoticeState.HELD, NoticeState.DIGESTED]
        )
        for pk, name, at in counted.exclude(kind__in=[*AT_ONCE, DIGEST]).values_list(
            "organization_id", "receiver", "created_at"
        ):
            found.recent.setdefault((pk, name), []).append(at)
        held = own.filter(state=NoticeState.HELD).order_by("-next_try_at")
        for pk, name, due in held.values_list("organization_id", "receiver", "next_try_at"):
            if due is not None:
                found.waiting[pk, name] = due
        return found

    def hold(self, row: Notice, receiver: Receiver, now: datetime) -> None:
        """Hold the row until the quiet hours end, or for a digest."""
        if receiver.user is None or row.kind in AT_ONCE:
            return
        told = (row.organization_id, receiver.name)
        recent = self.recent.setdefault(told, [])
        until = held_until(
            now,
            quiet=receiver.quiet,
            zone=zone_of(receiver.user),
            recent=recent,
            waiting_until=self.waiting.get(told),
        )
        if until is None:
            recent.append(now)
            return
        row.state, row.next_try_at = NoticeState.HELD, until
        self.waiting[told] = until


def zone_of(user: User) -> ZoneInfo:
    """The zone that the person chose, as long as it is known."""
    return ZoneInfo(user.time_zone if user.time_zone in zone_names() else UTC)
