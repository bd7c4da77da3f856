"""The sentences of one provider's card: its status, and the card's additions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from portal.core.formatting import (
    NBSP,
    listed,
    moment,
)
from portal.mitigations.causes import Cause
from portal.mitigations.states import NOT_SENDABLE
from portal.wording import plans
from portal.wording.badges import (
    BADGES,
    CLAIMED,
    MAY_FILTER,
    DisplayStatus,
    display_status,
    is_soon,
    is_stale,
)
from portal.wording.efficacy import efficacy_sentence
from portal.wording.facts import MitigationFacts
from portal.wording.refusals import unknown_report
from portal.wording.status_sentences import STATUS_SENTENCES, not_saved


def _from_before(mitigation: MitigationFacts, display: DisplayStatus, now: datetime) -> str:
    """What the status alone does not show: an answer that the portal lost, a renewal that cannot be
    sent.
    """
    if mitigation.unsaved_at is not None and display != DisplayStatus.NOT_SAVED:
        return f"{not_saved(mitigation, now)} The rest shown here is older."
    if mitigation.refusal_code == NOT_SENDABLE and display in CLAIMED:
        return f"The portal could not send its renewal. {mitigation.refusal}"
    return ""


def tell(
    mitigation: MitigationFacts,
    now: datetime,
    *,
    before: Sequence[MitigationFacts] = (),
    patience_s: int = 10,
) -> tuple[str, str]:
    """The sentence of a card: the fact and its meaning, in plain language."""
    display = display_status(mitigation, now)
    if display == DisplayStatus.NOT_ASKED:
        return "Not asked.", _when_requested(mitigation, before, patience_s)
    if mitigation.unknown_report is not None and is_stale(mitigation, now):
        before_that = f"Previous status: {BADGES[display].word.lower()}."
        return f"{unknown_report(mitigation)}.", before_that
    if mitigation.is_plan and display == DisplayStatus.STANDBY:
        return plans.TELL[display](mitigation, now)
    words = STATUS_SENTENCES[display]
    if mitigation.is_plan:
        words = plans.TELL.get(display, words)
    fact, rest = words(mitigation, now)
    if mitigation.is_plan:
        rest = f"{plans.activation(mitigation, now)} {rest}".strip()
    if display == DisplayStatus.REQUESTED and mitigation.cause == Cause.SILENT:
        fact = f"Asked because {mitigation.because} within {patience_s}{NBSP}s."
    if is_stale(mitigation, now) and mitigation.heard_at is not None:
        rest = (
            f"Nothing heard since {moment(mitigation.heard_at, now)}; this is the last "
            "known status."
        )
    reported = efficacy_sentence(mitigation, now) if display in CLAIMED else ""
    parts = (rest, reported, _from_before(mitigation, display, now), _late(mitigation, before, now))
    return fact, " ".join(part for part in parts if part)


_IN_TROUBLE: Final = (
    DisplayStatus.NO_ANSWER,
    DisplayStatus.NOT_SENDABLE,
    DisplayStatus.NOT_SAVED,
    DisplayStatus.EXCEEDED,
    DisplayStatus.STILL_HELD,
)


_WAITED_FOR: Final = (DisplayStatus.PUT_OFF, DisplayStatus.REFUSED, DisplayStatus.WITHDRAWN)


def needs_call(mitigation: MitigationFacts, now: datetime) -> bool:
    """Whether a phone call is the next step, because the network will not help, or not for long."""
    display = display_status(mitigation, now)
    if display == DisplayStatus.STOP_PENDING:
        return bool(mitigation.phone) and mitigation.session.state != "up"
    waits_long = (
        display in _WAITED_FOR
        and mitigation.retry_at is not None
        and not is_soon(mitigation.retry_at, now)
    )
    return bool(mitigation.phone) and (display in _IN_TROUBLE or waits_long)


def _when_requested(
    mitigation: MitigationFacts, before: Sequence[MitigationFacts], patience_s: int
) -> str:
    if mitigation.why_not:
        return f"{mitigation.why_not}."
    if not mitigation.is_chosen:
        return "It was not chosen for this request."
    if mitigation.left_out:
        return mitigation.left_out
    if not before:
        return ""
    first = listed([other.short for other in before], conjunction="or")
    return (
        f"The portal asks it if {first} refuses, is over capacity, stops,"
        f" or does not answer within {patience_s}{NBSP}s."
    )


def _late(mitigation: MitigationFacts, before: Sequence[MitigationFacts], now: datetime) -> str:
    """What happens to a later provider if an earlier one helps after all."""
    if (
        display_status(mitigation, now) not in MAY_FILTER
        or mitigation.asked_at is None
        or mitigation.is_first
    ):
        return ""
    late = [
        other
        for other in before
        if other.confirmed_at is not None
        and other.confirmed_at > mitigation.asked_at
        and display_status(other, now) in (DisplayStatus.ACCEPTED, DisplayStatus.MITIGATING)
    ]
    if not late:
        return ""
    who = listed([other.short for other in late])
    if mitigation.may_be_withdrawn:
        return (
            f"{who} accepted late. {mitigation.short} is withdrawn when {late[0].short} reports "
            f"that it is filtering."
        )
    return f"{who} accepted late. {mitigation.short} stays on until you withdraw it."
