"""The progress track of one provider's card: sent, accepted, mitigating, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from portal.wording.badges import (
    BADGES,
    DisplayStatus,
    display_status,
)
from portal.wording.facts import MitigationFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressStep:
    """One of the four steps of a card's track: confirmed facts, not progress."""

    word: str
    place: str
    "past, here, lost or next"
    shape: str
    at: datetime | None = None
    note: str = ""

    @property
    def spoken(self) -> str:
        return {"past": "done: ", "here": "now: ", "next": "not yet: "}.get(self.place, "")


_ODD_ENDS: Final = (
    DisplayStatus.ATTACK_STOPPED,
    DisplayStatus.EXCEEDED,
    DisplayStatus.WITHDRAWN,
    DisplayStatus.REFUSED,
    DisplayStatus.LOOPED,
    DisplayStatus.NOT_SENDABLE,
    DisplayStatus.EXPIRED,
    DisplayStatus.STANDBY,
)


def track(mitigation: MitigationFacts, now: datetime) -> tuple[ProgressStep, ...]:
    """Sent, Accepted, Mitigating, and how it ended."""
    here = display_status(mitigation, now)
    if mitigation.is_plan:
        return _plan_track(mitigation, here)
    end = here if here in _ODD_ENDS else DisplayStatus.TERMINATED
    is_at_end = here == end
    rows = (
        ("Sent", mitigation.sent_at, here in (DisplayStatus.REQUESTED, DisplayStatus.PUT_OFF)),
        ("Accepted", mitigation.confirmed_at, here == DisplayStatus.ACCEPTED),
        ("Mitigating", mitigation.mitigating_at, here == DisplayStatus.MITIGATING),
        (BADGES[end].word, mitigation.ended_at or mitigation.status_at, is_at_end),
    )
    steps: list[ProgressStep] = []
    for index, (word, at, is_here) in enumerate(rows):
        is_last = index == len(rows) - 1
        if is_here:
            shape = BADGES[here].shape
            steps.append(ProgressStep(word=word, place="here", shape=shape, at=at))
        elif at is not None and not is_last:
            steps.append(ProgressStep(word=word, place="past", shape="disc-tick", at=at))
        elif _is_lost(index, here, is_at_end=is_at_end, sent=mitigation.sent_at is not None):
            note = (
                "not confirmed"
                if here in (DisplayStatus.NO_ANSWER, DisplayStatus.REQUESTED)
                else ""
            )
            steps.append(ProgressStep(word=word, place="lost", shape="dashed-ring", note=note))
        else:
            steps.append(ProgressStep(word=word, place="next", shape="ring"))
    return tuple(steps)


def _plan_track(mitigation: MitigationFacts, here: DisplayStatus) -> tuple[ProgressStep, ...]:
    """Sent, Standby, Mitigating while it is active, and how it ended."""
    end = here if here in _ODD_ENDS and here != DisplayStatus.STANDBY else DisplayStatus.TERMINATED
    rows = (
        (
            "Sent",
            mitigation.sent_at,
            here in (DisplayStatus.REQUESTED, DisplayStatus.PUT_OFF, DisplayStatus.NO_ANSWER),
        ),
        (
            BADGES[DisplayStatus.STANDBY].word,
            mitigation.confirmed_at,
            here == DisplayStatus.STANDBY,
        ),
        (
            BADGES[DisplayStatus.MITIGATING].word,
            mitigation.mitigating_at,
            here in (DisplayStatus.ACCEPTED, DisplayStatus.MITIGATING),
        ),
        (BADGES[end].word, mitigation.ended_at or mitigation.status_at, here == end),
    )
    steps: list[ProgressStep] = []
    for index, (word, at, is_here) in enumerate(rows):
        if is_here:
            steps.append(ProgressStep(word=word, place="here", shape=BADGES[here].shape, at=at))
        elif at is not None and index < len(rows) - 1:
            steps.append(ProgressStep(word=word, place="past", shape="disc-tick", at=at))
        else:
            steps.append(ProgressStep(word=word, place="next", shape="ring"))
    return tuple(steps)


def _is_lost(index: int, here: DisplayStatus, *, is_at_end: bool, sent: bool) -> bool:
    """This step was never confirmed though it is due, or a later one was reached."""
    if here == DisplayStatus.NO_ANSWER:
        return index == 1
    return is_at_end and sent and 0 < index < 3
