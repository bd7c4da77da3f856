"""The result of a check, and the headline that all of them make together. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from portal.core.formatting import in_words
from portal.wording import Badge


class State(StrEnum):
    """The result of a check: passed; passed, but fix it soon; failed."""

    PASS = "pass"  # noqa: S105  a verdict
    WARN = "warn"
    FAIL = "fail"


class Group(StrEnum):
    """What a check is about."""

    PROVIDERS = "providers"
    TARGETS = "targets"
    PEOPLE = "people"


class CheckCode(StrEnum):
    """The stable names of the checks, for programs."""

    SUSPENDED = "suspended"
    SUBSCRIBED = "subscribed"
    KEPT = "kept"
    SESSION = "session"
    LOOP = "loop"
    INVENTORY = "inventory"
    CERTIFICATE = "certificate"
    TRUST = "trust"
    PHONE = "phone"
    RESOURCES = "resources"
    COVERAGE = "coverage"
    SIZE = "size"
    ROUTES = "routes"
    PLAN = "plan"
    DRILL = "drill"
    REQUESTERS = "requesters"
    SECOND_FACTOR = "second_factor"
    ADMINS = "admins"
    RECEIVERS = "receivers"


GROUPS: Final = {
    **dict.fromkeys(
        (
            CheckCode.SUSPENDED,
            CheckCode.SUBSCRIBED,
            CheckCode.KEPT,
            CheckCode.SESSION,
            CheckCode.LOOP,
            CheckCode.INVENTORY,
            CheckCode.CERTIFICATE,
            CheckCode.TRUST,
            CheckCode.PHONE,
        ),
        Group.PROVIDERS,
    ),
    **dict.fromkeys(
        (
            CheckCode.RESOURCES,
            CheckCode.COVERAGE,
            CheckCode.SIZE,
            CheckCode.ROUTES,
            CheckCode.PLAN,
            CheckCode.DRILL,
        ),
        Group.TARGETS,
    ),
    **dict.fromkeys(
        (CheckCode.REQUESTERS, CheckCode.SECOND_FACTOR, CheckCode.ADMINS, CheckCode.RECEIVERS),
        Group.PEOPLE,
    ),
}
GROUP_NAMES: Final = {
    Group.PROVIDERS: "Providers",
    Group.TARGETS: "Targets and plans",
    Group.PEOPLE: "People",
}
BADGES: Final = {
    State.PASS: Badge("Pass", "disc-tick", "good"),
    State.WARN: Badge("Fix soon", "triangle", "warn"),
    State.FAIL: Badge("Fix now", "octagon", "bad"),
}


class Destination(StrEnum):
    """Where a row leads; the page that shows it knows the address."""

    CALL = "call"
    DRILLS = "drills"
    CHANNELS = "channels"
    NEW_REQUEST = "new_request"
    PLAN = "plan"
    PROVIDER = "provider"
    PROVIDERS = "providers"
    UNKNOWN_MITIGATIONS = "unknown_mitigations"


@dataclass(frozen=True, slots=True)
class Link:
    """Where a row leads, and the text of the link."""

    words: str
    to: Destination
    argument: str = ""
    "the id of the plan or provider, or the telephone number"


class Found(NamedTuple):
    """The result of a check and its evidence."""

    state: State
    evidence: str
    clause: str = ""
    """of a failed check, for a headline: "Tidewall is not
    connected"
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One check: its question, its evidence and its age."""

    code: CheckCode
    question: str
    found: Found
    about: str = ""
    "the id of its subscription or plan"
    link: Link | None = None

    @property
    def group(self) -> Group:
        return GROUPS[self.code]

    @property
    def state(self) -> State:
        return self.found.state

    @property
    def evidence(self) -> str:
        return self.found.evidence

    @property
    def clause(self) -> str:
        return self.found.clause

    @property
    def badge(self) -> Badge:
        return BADGES[self.state]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The headline of readiness."""

    state: State
    headline: str
    counts: str
    "11 of 13 checks pass."

    @property
    def badge(self) -> Badge:
        return BADGES[self.state]


NO_SESSION: Final = "no provider is connected"


def answer(rows: Sequence[Row]) -> Answer:
    """The headline: the worst result, and how many there are to fix."""
    passes, soon, now = (of(rows, state) for state in State)
    if now:
        more = f" Fix {things(len(now))} now." if len(now) > 1 else ""
        return Answer(
            state=State.FAIL,
            headline=f"Not ready: {_worst(rows, now)}.{more}",
            counts=_counts(len(passes), len(rows)),
        )
    if soon:
        return Answer(
            state=State.WARN,
            headline=f"Ready. Fix {things(len(soon))} soon.",
            counts=_counts(len(passes), len(rows)),
        )
    return Answer(
        state=State.PASS,
        headline=f"Ready. All {len(rows)} checks pass.",
        counts=f"All {len(rows)} checks pass.",
    )


def of(rows: Sequence[Row], state: State) -> list[Row]:
    return [row for row in rows if row.state == state]


def things(count: int) -> str:
    return f"{in_words(count)} thing{'' if count == 1 else 's'}"


def _worst(rows: Sequence[Row], now: Sequence[Row]) -> str:
    sessions = [row for row in rows if row.code == CheckCode.SESSION]
    if sessions and all(row.state == State.FAIL for row in sessions):
        return NO_SESSION
    return now[0].clause


def _counts(passes: int, total: int) -> str:
    return f"{passes} of {total} checks pass."
