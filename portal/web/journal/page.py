"""The contents of the journal's page, read with a known number of queries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final
from uuid import UUID

from django.conf import settings
from django.http import QueryDict
from django.utils.http import urlencode
from django.utils.timezone import localtime

from portal.core.formatting import dated, day, local_day, plural
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Membership
from portal.web.frame import frame
from portal.web.options import Option, options
from portal.web.rendering import FramedPage
from portal.wire import queries
from portal.wire.models import Direction, WireMessage
from portal.wire.queries import Copies, Place, Which
from portal.wording.message_shown import message_sentence, said_by
from portal.wording.messages import repeated, reported_status

PAGE_ROWS: Final = 50
FOLD_FROM: Final = 3
"""This many consecutive reports of one status are shown as one line."""
MAX_FIND_LENGTH: Final = 100
OCTETS_PER_LINE: Final = 8

WHICH: Final = {
    Which.OWN: "About this request",
    Which.SESSION: "All but heartbeats",
    Which.ALL: "All",
}
METHODS: Final = {"0.01": "GET", "0.02": "POST", "0.03": "PUT", "0.04": "DELETE", "0.00": "Empty"}
DIRECTIONS: Final = {
    Direction.SENT: ("out", "Sent"),
    Direction.RECEIVED: ("in", "Received"),
    Direction.NOT_KEPT: ("dashed-ring", "Not kept"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRow:
    """One line of the journal: a message, with its copies folded in."""

    message: WireMessage
    at: str
    day: str
    icon: str
    direction: str
    code: str
    provider: str
    meaning: str
    copies: str
    size: str
    is_open: bool

    @property
    def decoded(self) -> str:
        body = self.message.decoded
        if body is None:
            return ""
        return body if isinstance(body, str) else json.dumps(body, indent=2, ensure_ascii=False)

    @property
    def facts(self) -> list[tuple[str, str]]:
        message = self.message
        named = {
            "Path": message.path,
            "Options": message.options,
            "Type": message.kind,
            "Not read": message.not_read,
        }
        return [(name, value) for name, value in named.items() if value]

    @property
    def octets(self) -> str:
        """In the usual layout: eight per line."""
        octets = bytes(self.message.octets)
        lines = range(0, len(octets), OCTETS_PER_LINE)
        return "\n".join(octets[at : at + OCTETS_PER_LINE].hex(" ") for at in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLine:
    """A message; or several that repeatedly report one status of one mitigation, with the polls
    they answer.
    """

    rows: tuple[JournalRow, ...]
    meaning: str = ""
    "of several, combined"

    @property
    def newest(self) -> JournalRow:
        return self.rows[0]

    @property
    def oldest(self) -> JournalRow:
        return self.rows[-1]

    @property
    def is_run(self) -> bool:
        return bool(self.meaning)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalPage(FramedPage):
    """Messages about one request, newest first."""

    template: ClassVar = "journal/journal.html"

    request_: MitigationRequest
    lines: list[JournalLine]
    find: str
    whiches: list[Option]
    providers: list[Option]
    any_provider: str
    kept_for: str
    newest: str
    older: str


def journal_page(
    membership: Membership, request: MitigationRequest, now: datetime, choice: QueryDict
) -> JournalPage:
    start = frame(membership, now)
    in_order = sorted(request.mitigations.all(), key=lambda mitigation: mitigation.position)
    providers = {
        str(mitigation.subscription_id): mitigation.subscription.provider.short_name
        for mitigation in in_order
    }
    which = which_of(choice)
    provider = choice.get("provider", "")
    if provider not in providers:
        provider = ""
    find = choice.get("find", "").replace("\0", "").strip()[:MAX_FIND_LENGTH]
    place = Place.read(choice.get("before", ""))
    page = _messages(request, which, provider, find, place)
    shown = page[:PAGE_ROWS]
    copies = queries.copy_counts(shown)
    narrowed = {"find": find, "messages": which.value, "provider": provider}
    kept = {name: value for name, value in narrowed.items() if value}
    return JournalPage(
        frame=start,
        here="requests",
        request_=request,
        lines=_folded(
            _row(one, copies, now, is_first=index == 0) for index, one in enumerate(shown)
        ),
        find=find,
        whiches=options({one.value: words for one, words in WHICH.items()}, which.value),
        providers=options(providers, provider),
        any_provider="Both" if len(providers) == 2 else "All",
        kept_for=plural(settings.PORTAL_WIRE_DAYS, "day"),
        newest=urlencode(kept) if place else "",
        older=urlencode({**kept, "before": str(Place.of(shown[-1]))})
        if len(page) > PAGE_ROWS
        else "",
    )


def _messages(
    request: MitigationRequest, which: Which, provider: str, find: str, place: Place | None
) -> list[WireMessage]:
    """A page of them and one more."""
    subscription = UUID(provider) if provider else None
    found = queries.messages(request, which, subscription=subscription).filter(copy=1)
    if find:
        found = queries.saying(found, find)
    return list(queries.before(found, place)[: PAGE_ROWS + 1])


def _folded(newest_first: Iterable[JournalRow]) -> list[JournalLine]:
    """A run takes the place of its newest message.

    Another status, or another message about its mitigation, ends it.
    """
    runs: list[list[JournalRow]] = []
    ongoing: dict[int, tuple[str, list[JournalRow]]] = {}
    for row in newest_first:
        message = row.message
        status = reported_status(said_by(message))
        if message.mitigation_id is None:
            runs.append([row])
            continue
        key = message.mitigation_id.int
        if status is None:
            ongoing.pop(key, None)
            runs.append([row])
            continue
        known, run = ongoing.get(key, ("", []))
        if not run or (known and status and known != status):
            run = []
            runs.append(run)
            known = ""
        run.append(row)
        ongoing[key] = (known or status, run)
    return [line for run in runs for line in _lines(run)]


def _lines(run: list[JournalRow]) -> list[JournalLine]:
    reports = [row for row in run if row.message.code == "2.05"]
    if len(reports) < FOLD_FROM:
        return [JournalLine(rows=(row,)) for row in run]
    said = [said_by(row.message) for row in run]
    return [JournalLine(rows=tuple(run), meaning=repeated(said))]


def which_of(choice: Mapping[str, str]) -> Which:
    wished = choice.get("messages", "")
    return next((one for one in Which if one.value == wished), Which.OWN)


def _row(
    message: WireMessage, copies: Mapping[UUID, Copies], now: datetime, *, is_first: bool
) -> JournalRow:
    icon, direction = DIRECTIONS[Direction(message.direction)]
    at = localtime(message.at)
    return JournalRow(
        message=message,
        at=f"{at:%H:%M:%S}.{at.microsecond // 1000:03}",
        day="" if local_day(at) == local_day(now) else day(at, now),
        icon=icon,
        direction=direction,
        code=METHODS.get(message.code, message.code),
        provider=message.subscription.provider.short_name,
        meaning=message_sentence(message),
        copies=_copies(message, copies),
        size=f"{message.size:,}\u00a0B" if message.size else "",
        is_open=is_first and message.direction != Direction.NOT_KEPT,
    )


def _copies(message: WireMessage, copies: Mapping[UUID, Copies]) -> str:
    known = copies.get(message.run) if message.run else None
    if known is None or known.count < 2:
        return ""
    return f"first of {known.count:,} copies, the last at {dated(known.last_at, message.at)}"
