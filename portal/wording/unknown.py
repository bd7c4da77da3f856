"""Sentences about unknown mitigations: pure functions of facts and a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from portal.core.formatting import NBSP, listed, moment, plural, since, spaced_when, when
from portal.mitigations.states import STALE_AFTER, reported_status
from portal.wording import BADGES, Badge, DisplayStatus, Question, Say, Session
from portal.wording.badges import DISPLAY_BY_STATUS
from portal.wording.plans import release_progress

WINDS_DOWN_FOR: Final = timedelta(seconds=300)
"""The longest time a provider may take to end a mitigation after the withdrawal (RFC 9132 section
4.4.4).
"""
MAX_NAMED: Final = 3
STATUS_UNKNOWN: Final = Badge("Status unknown", "dashed-ring", "idle")

_DOES: Final = {
    1: "is setting up a filter for {what}",
    2: "filters {what}",
    3: "no longer sees an attack on {what}, and its filter stays",
    4: "filters {what}, and the attack is larger than it can filter",
    5: "is winding down its filter for {what}",
    7: "stopped filtering {what} on its own but still holds it",
    8: "holds {what} in standby",
}
_STILL: Final = {
    # reports that do not read well with "still" before the verb
    1: "last reported that it {does}",
    3: "last reported that it {does}",
    7: "last reported that it {does}",
}
_FILTERING: Final = (2, 3, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownFacts:
    """The facts about an unknown mitigation that the sentences need."""

    provider: str
    "short name"
    session: Session
    targets: tuple[str, ...]
    "addresses, names, URIs and aliases"
    dots_status: int | None
    reported_at: datetime
    expires_at: datetime | None = None
    is_indefinite: bool = False
    asked_by: str = ""
    "the name of the request that had asked for it and has ended"
    asked_until: datetime | None = None
    withdrawn_by: str = ""
    withdrawal_asked_at: datetime | None = None
    confirmed_at: datetime | None = None
    "when the provider first confirmed the withdrawal"
    refusal_code: str = ""
    "the code of the refused withdrawal"
    is_still_held: bool = False
    "the provider confirmed the withdrawal but keeps it in standby"
    release_tried_at: datetime | None = None
    "the last attempt to end it with a lifetime of 1"
    is_release_given_up: bool = False
    released_for: str = ""
    "the name of our request for which the provider stopped it"
    why_not_adopted: str = ""

    @property
    def is_filtering(self) -> bool:
        return self.dots_status in _FILTERING

    @property
    def what(self) -> str:
        """Its first targets."""
        more = len(self.targets) - MAX_NAMED
        named = [*self.targets[:MAX_NAMED], *([f"{more} more"] if more > 0 else [])]
        return listed(named) if self.targets else "unnamed targets"


def is_stale(unknown: UnknownFacts, now: datetime) -> bool:
    """Whether the last report is old."""
    return now - unknown.reported_at > STALE_AFTER


def goes_on(unknown: UnknownFacts, now: datetime) -> bool:
    """Whether it continues although it should have ended by now, since the provider confirmed the
    withdrawal.
    """
    return unknown.confirmed_at is not None and now - unknown.confirmed_at > WINDS_DOWN_FOR


def badge(unknown: UnknownFacts) -> Badge:
    if unknown.is_still_held:
        return BADGES[DisplayStatus.STILL_HELD]
    if unknown.withdrawal_asked_at is not None:
        return BADGES[
            DisplayStatus.STOP_PENDING
            if unknown.confirmed_at is None
            else DisplayStatus.WINDING_DOWN
        ]
    status = reported_status(unknown.dots_status)
    return STATUS_UNKNOWN if status is None else BADGES[DISPLAY_BY_STATUS[status]]


def tell(unknown: UnknownFacts, now: datetime) -> tuple[str, str]:
    """The fact, and what it means for the reader."""
    if unknown.withdrawal_asked_at is not None:
        fact, rest = (
            _winding_down(unknown, now) if unknown.confirmed_at else _stop_pending(unknown, now)
        )
    else:
        fact, rest = (
            f"{unknown.provider} {does(unknown)}.",
            f"{_not_requested_here(unknown, now)} {_ends(unknown, now)}".rstrip(),
        )
    if is_stale(unknown, now):
        rest = (
            f"{rest} No report since {moment(unknown.reported_at, now)}; this is the "
            f"last known status."
        )
    return fact, rest


def does(unknown: UnknownFacts) -> str:
    """The provider's report as a clause without a subject."""
    if unknown.dots_status == 7 and unknown.released_for:
        return (
            f"stopped filtering {unknown.what} because of your request "
            f"{unknown.released_for} but still holds it"
        )
    words = _DOES.get(unknown.dots_status or 0)
    if words is not None:
        return words.format(what=unknown.what)
    if unknown.dots_status is None:
        return f"holds a mitigation for {unknown.what} and does not report whether it filters"
    number = f"status{NBSP}{unknown.dots_status}"
    return (
        f"holds a mitigation for {unknown.what} and reports {number}, which the portal does not "
        f"know"
    )


def _not_requested_here(unknown: UnknownFacts, now: datetime) -> str:
    if not unknown.asked_by:
        return "No request here asked for it."
    return (
        f"{unknown.asked_by}, which asked for it, ended "
        f"here{spaced_when(unknown.asked_until, now)}."
    )


def _ends(unknown: UnknownFacts, now: datetime) -> str:
    if unknown.dots_status == 5:
        return ""
    if unknown.is_indefinite:
        return "It has no end time."
    if unknown.expires_at is None:
        return ""
    return f"It ends {when(unknown.expires_at, now, seconds=False)} unless it is renewed."


def _stop_pending(unknown: UnknownFacts, now: datetime) -> tuple[str, str]:
    who = f"{unknown.withdrawn_by} withdrew it{spaced_when(unknown.withdrawal_asked_at, now)}."
    may = f"{unknown.provider} may still be filtering {unknown.what}."
    if unknown.refusal_code:
        return (
            f"{unknown.provider} did not stop it (code {unknown.refusal_code}).",
            f"{who} {may} The portal will retry.",
        )
    if unknown.session.state == "up":
        return "Stop request not confirmed yet.", f"{who} The portal is sending it. {may}"
    down = f" since {since(unknown.session.since, now)}" if unknown.session.since else ""
    return (
        f"Stop request not confirmed yet: unreachable{down}.",
        f"{who} {may} The portal keeps trying.",
    )


def _winding_down(unknown: UnknownFacts, now: datetime) -> tuple[str, str]:
    at, who = when(unknown.confirmed_at, now), f"{unknown.withdrawn_by} withdrew it."
    if unknown.is_still_held:
        rest = release_progress(
            unknown.provider, unknown.release_tried_at, now, is_given_up=unknown.is_release_given_up
        )
        return (
            f"Confirmed the withdrawal {at}, and still holds {unknown.what} in standby.",
            f"{who} {rest}",
        )
    if unknown.dots_status == 5:
        return (
            f"Received the stop request {at} and is winding down.",
            f"{who} It may filter a little longer.",
        )
    still = _STILL.get(unknown.dots_status or 0, "still {does}").format(does=does(unknown))
    still = f"{unknown.provider} {still}"
    if goes_on(unknown, now):
        return (
            f"Confirmed the stop request {at}, but has not stopped.",
            f"{who} {still}. The portal keeps trying; call {unknown.provider}.",
        )
    return (
        f"Received the stop request {at}.",
        f"{who} {still}. It may continue for up to five minutes.",
    )


def says(found: Sequence[UnknownFacts], *, lost: Sequence[str]) -> Say:
    """The opening of the Now page if nothing else is live.

    `lost`: providers that are not connected.
    """
    wanted = [one for one in found if one.withdrawal_asked_at is None] or list(found)
    first, more = wanted[0], len(found) - 1
    summary = []
    if first.withdrawal_asked_at is not None:
        headline = f"Withdrawing a mitigation at {first.provider} that no request here asked for."
    else:
        headline = f"{first.provider} {does(first)}. No request here asked for it."
        summary = ["Adopt it to manage it with a request, or withdraw it."]
    if more:
        summary.append(f"{plural(more, 'other')} like it {'is' if more == 1 else 'are'} below.")
    if lost:
        summary.append(f"{listed(lost)} {'is' if len(lost) == 1 else 'are'} not connected.")
    return Say(BADGES[DisplayStatus.NO_ANSWER], headline, " ".join(summary))


def beside(found: Sequence[UnknownFacts]) -> str:
    """One provider's unknown mitigations in one or two sentences."""
    first, more = found[0], len(found) - 1
    others = f" It holds {plural(more, 'other')} like it." if more else ""
    return f"It {does(first)}. No request here asked for it.{others}"


def untold(refusal: str) -> str:
    """Why the portal does not know everything that a provider holds; empty if it does."""
    match refusal:
        case "":
            return ""
        case "silence":
            why = "It does not answer when asked what it holds"
        case "unreadable":
            why = "Its list of what it holds cannot be read"
        case code:
            why = f"It refuses to list what it holds (code {code})"
    return f"{why}: the portal would miss a filter that no request here asked for."


def withdraw_question(unknown: UnknownFacts) -> Question:
    """The confirmation before the withdrawal is sent."""
    if unknown.is_filtering:
        points = [
            f"{unknown.provider} will be told to stop filtering {unknown.what}.",
            "The traffic it filters now will reach you.",
            "To have it filtered again, request mitigation.",
        ]
    else:
        points = [f"{unknown.provider} will be told to release {unknown.what}."]
    return Question(
        title=f"Withdraw it at {unknown.provider}?",
        points=tuple(points),
        keep="Keep it",
        is_filtering=unknown.is_filtering,
    )
