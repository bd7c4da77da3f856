"""The contents of the pages: what to fix now, what to fix soon, what passed, and the drills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from portal.core.formatting import listed, moment
from portal.readiness.drills import DrillTable, drill_of, drill_table
from portal.readiness.gather import Readiness, readiness_of
from portal.readiness.rows import GROUP_NAMES, CheckCode, Row, State, of
from portal.standby import queries
from portal.web.frame import Frame
from portal.web.rendering import FramedPage
from portal.wording.headlines import everyone

DRILLS_PER_PAGE: Final = 20
FIXES: Final = (("Fix now", State.FAIL), ("Fix soon", State.WARN))


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under one heading."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessPage(FramedPage):
    """The checks, the drills and the headline."""

    template: ClassVar = "readiness/readiness.html"
    parts: ClassVar = {"readiness": "readiness/_readiness.html"}

    readiness: Readiness
    sections: list[Section]
    drill: DrillTable | None
    "the last one"
    running: str
    "the person whose drill is running; empty if none is"
    drill_offer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillsPage(FramedPage):
    """All drills, newest first."""

    template: ClassVar = "readiness/drills.html"
    parts: ClassVar = {"drills": "readiness/_drills.html"}

    drills: list[DrillTable]
    is_running: bool
    shown: str
    "this view as a query string"
    newer: str
    older: str


def readiness_page(start: Frame) -> ReadinessPage:
    readiness, now = readiness_of(start.membership, start.now), start.now
    rows = readiness.rows
    passes = of(rows, State.PASS)
    sections = [
        *(Section(name, tuple(of(rows, state))) for name, state in FIXES),
        *(
            Section(name, tuple(row for row in passes if row.group == group))
            for group, name in GROUP_NAMES.items()
        ),
    ]
    last = readiness.last_drill
    return ReadinessPage(
        frame=start,
        here="readiness",
        title="Readiness",
        readiness=readiness,
        sections=[section for section in sections if section.rows],
        drill=drill_table(last, now) if last else None,
        running=(
            f"A drill has been running since {moment(last.started_at, now, zone=True)}, "
            f"started by {last.by}."
        )
        if last and not last.is_over
        else "",
        drill_offer=_offer([row.question for row in rows if row.code == CheckCode.SESSION]),
    )


def _offer(names: list[str]) -> str:
    """What a drill does, shown before it is run; empty if there is no provider."""
    if not names:
        return ""
    who = everyone(len(names)) if len(names) > 1 else listed(names)
    return (
        f"Sends a real standby request to {who}, waits for confirmation and withdraws it. "
        "Takes a few seconds. Traffic is not touched."
    )


def drills_page(start: Frame, page: int) -> DrillsPage:
    first = (page - 1) * DRILLS_PER_PAGE
    found = list(queries.drills(start.organization)[first : first + DRILLS_PER_PAGE + 1])
    return DrillsPage(
        frame=start,
        here="readiness",
        title="Drills",
        drills=[drill_table(drill_of(one), start.now) for one in found[:DRILLS_PER_PAGE]],
        is_running=any(not one.is_over for one in found),
        shown=f"page={page}",
        newer=f"page={page - 1}" if page > 1 else "",
        older=f"page={page + 1}" if len(found) > DRILLS_PER_PAGE else "",
    )
