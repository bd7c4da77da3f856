"""The title and the sentences of each kind of notice: pure functions of facts.

Times are in the zone that is active (portal.accounts.time_zones.time_zone_of).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from portal.alerts.models import ProposalState, ProposedAct
from portal.core.formatting import duration, full_moment, plural
from portal.mitigations.states import LOOP, NOT_SENDABLE
from portal.notifications.facts import NoticeFacts
from portal.notifications.kinds import DIGEST, NoticeKind
from portal.notifications.message import Severity
from portal.wording.refusals import refusal_sentence

MAX_TITLE: Final = 120
MAX_TEXT: Final = 2000

KIND_NAMES: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.SENT: "A request was sent to a provider",
    NoticeKind.ACCEPTED: "All providers accepted a request",
    NoticeKind.NONE_ACCEPTED: "No provider accepted a request",
    NoticeKind.NOT_REACHED: "No provider answered in time",
    NoticeKind.REFUSED: "A provider refused a request",
    NoticeKind.OVER_CAPACITY: "A provider is over capacity",
    NoticeKind.ENDS_SOON: "Protection ends in 15 minutes",
    NoticeKind.ENDED_BY_PROVIDER: "A provider ended protection on its own",
    NoticeKind.ATTACK_OVER: "Providers report that the attack has stopped",
    NoticeKind.ENDED: "A request has ended",
    NoticeKind.APPROVAL_WANTED: "A request waits for approval",
    NoticeKind.APPROVAL_DECLINED: "A request was declined",
    NoticeKind.APPROVAL_EXPIRED: "No one approved a request in time",
    NoticeKind.BREAK_GLASS: "A request was sent without approval",
    NoticeKind.MENTIONED: "A note mentions a member",
    NoticeKind.PROPOSAL: "A detector’s alert proposes to act",
    NoticeKind.SESSION_DOWN: "No connection to a provider for 5 minutes",
    NoticeKind.CERTIFICATE_ENDS: "A client certificate ends soon",
    NoticeKind.PLAN_ACTIVATED: "A provider activated a standby plan",
    NoticeKind.PLAN_LOST: "A provider does not hold a standby plan",
    NoticeKind.DRILL_FAILED: "A drill failed",
}
"""As people choose them."""


@dataclass(frozen=True, slots=True)
class NoticeWords:
    """A title of one line, and sentences."""

    title: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        """One sentence per line, at most MAX_TEXT characters."""
        return _cut("\n".join(one for one in self.sentences if one), MAX_TEXT)


def words_of(
    kind: str,
    severity: Severity,
    facts: NoticeFacts,
    *,
    occurred_at: datetime,
    with_names: bool,
    is_locked: bool = False,
    is_to_person: bool = False,
) -> NoticeWords:
    """`with_names`: the organization wishes the names of targets in titles. `is_locked`: the text
    appears on a locked screen, so without that wish it has neither names nor what people wrote.
    `is_to_person`: to one member, and not to a channel of the organization.
    """
    if is_locked and not with_names:
        facts = replace(facts, name="", reason="")
    write = _RECOVERIES if severity == Severity.RESOLVED else _TO_PERSON if is_to_person else {}
    found = write.get(kind) or _WRITERS[kind]
    title, *sentences = found(facts, _what(facts, with_names=with_names))
    about = f"{'Plan' if facts.is_plan else 'For'}: {facts.name}" if facts.name else ""
    said = [title + ".", *sentences, about, _at(occurred_at)]
    return NoticeWords(
        _cut(_plain(title), MAX_TITLE),
        tuple(_plain(one) for one in said if one),
    )


def _at(occurred_at: datetime) -> str:
    return f"Time: {full_moment(occurred_at)}"


def _plain(text: str) -> str:
    """One line, with spaces that every receiver shows."""
    return " ".join(text.replace("\u00a0", " ").split())


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _what(facts: NoticeFacts, *, with_names: bool) -> str:
    noun = "plan" if facts.is_plan else "request"
    if with_names and facts.name:
        return f"the {noun} for {facts.name}" if not facts.is_plan else f"the plan {facts.name}"
    return f"{noun} {facts.number}" if facts.number else f"a {noun}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _call(facts: NoticeFacts) -> str:
    return f"Call {facts.provider}: {facts.phone}." if facts.phone else ""


def _sent(facts: NoticeFacts, what: str) -> list[str]:
    return [f"{_capital(what)} was sent to {facts.provider}", "It has not answered yet."]


def _accepted(facts: NoticeFacts, what: str) -> list[str]:
    who = facts.provider if facts.asked == 1 else f"All {facts.asked} providers"
    return [f"{who} accepted {what}"]


def _none_accepted(_: NoticeFacts, what: str) -> list[str]:
    return [
        f"No provider accepted {what}",
        "Every provider that was asked refused it. The target is not protected.",
        "Open the request to see the reasons and the numbers to call.",
    ]


def _not_reached(_: NoticeFacts, what: str) -> list[str]:
    return [
        f"No provider has confirmed {what}",
        "The target is not protected. The portal keeps trying as long as the request lives.",
        "Open the request to see who did not answer and the numbers to call.",
    ]


def _helped(facts: NoticeFacts, what: str) -> list[str]:
    return [f"{facts.provider or 'A provider'} has confirmed {what} now"]


def _refused(facts: NoticeFacts, what: str) -> list[str]:
    why = refusal_sentence(facts.provider, code=facts.code, reason=facts.reason)
    if facts.code == LOOP:
        return [f"{facts.provider} was not reached for {what}", why, _call(facts)]
    if facts.code == NOT_SENDABLE:
        return [f"The portal could not send {what} to {facts.provider}", why]
    if facts.why == "extension":
        rest = "It still protects until the lifetime that it granted ends."
        return [f"{facts.provider} refused to extend {what}", why, rest, _call(facts)]
    return [f"{facts.provider} refused {what}", why, _call(facts)]


def _over_capacity(facts: NoticeFacts, what: str) -> list[str]:
    rest = "It reports that the attack is larger than it can filter."
    return [f"{facts.provider} is over capacity for {what}", rest, _call(facts)]


def _ends_soon(facts: NoticeFacts, what: str) -> list[str]:
    if facts.until is None:
        return [f"Protection ends soon for {what}"]
    left = duration((facts.until - facts.since).total_seconds()) if facts.since else "15 min"
    return [
        f"Protection ends in {left} for {what}",
        f"It ends at {full_moment(facts.until)} and does not renew. Extend it if the attack lasts.",
    ]


def _ended_by_provider(facts: NoticeFacts, what: str) -> list[str]:
    if facts.why == "superseded":
        rest = "It holds a newer request of yours instead, which protects less."
        return [f"{facts.provider} replaced {what}", rest]
    rest = "No one here asked it to."
    return [f"{facts.provider} ended protection for {what}", rest, _call(facts)]


def _attack_over(_: NoticeFacts, what: str) -> list[str]:
    rest = "Providers still hold the request. Terminate it when you are sure."
    return [f"Providers report that the attack has stopped: {what}", rest]


def _ended(facts: NoticeFacts, what: str) -> list[str]:
    rest = "Its lifetime ran out." if facts.why == "lifetime" else ""
    return [f"{_capital(what)} has ended", rest]


def _approval_wanted(facts: NoticeFacts, what: str) -> list[str]:
    until = f"It expires at {full_moment(facts.until)}." if facts.until else ""
    who = f"{facts.by} asked for it. " if facts.by else ""
    reason = f"Reason: {facts.reason}" if facts.reason else ""
    rest = "Look at what would be sent, then approve or decline it."
    title = f"{_capital(what)} waits for approval"
    return [title, f"{who}Nothing was sent yet.", reason, rest, until]


def _approved(facts: NoticeFacts, what: str) -> list[str]:
    return [f"{facts.by or 'A second person'} approved {what}"]


def _approval_declined(facts: NoticeFacts, what: str) -> list[str]:
    reason = f"Reason: {facts.reason}" if facts.reason else ""
    return [f"{facts.by or 'An approver'} declined {what}", "Nothing was sent.", reason]


def _approval_expired(_: NoticeFacts, what: str) -> list[str]:
    rest = "If the attack continues, request it again; with a reason, you can skip the approval."
    return [f"No one approved {what} in time", "Nothing was sent.", rest]


def _break_glass(facts: NoticeFacts, what: str) -> list[str]:
    reason = f"Reason: {facts.reason}" if facts.reason else ""
    rest = "If it should not have been sent, terminate it."
    return [f"{facts.by or 'A person'} sent {what} without approval", reason, rest]


def _mentioned(facts: NoticeFacts, what: str, whom: str = "a member") -> list[str]:
    note = f"Note: {facts.reason}" if facts.reason else ""
    return [f"{facts.by or 'A person'} mentions {whom} in a note on {what}", note]


def _proposal(facts: NoticeFacts, _: str) -> list[str]:
    if facts.why == ProposedAct.TERMINATE:
        rest = "Detectors report no attack any more. Confirm or dismiss the proposal."
        return ["The portal proposes to terminate a request", rest]
    rest = "Nothing was sent. Confirm or dismiss the proposal."
    return ["Detectors report an attack, and the portal proposes to request mitigation", rest]


_DECISIONS: Final = {
    ProposalState.CONFIRMED: "was confirmed",
    ProposalState.DISMISSED: "was dismissed",
    ProposalState.EXPIRED: "has expired",
    ProposalState.NOT_NEEDED: "is not needed any more",
}


def _proposal_over(facts: NoticeFacts, _: str) -> list[str]:
    state = facts.code if facts.code in ProposalState.values else ""
    said = _DECISIONS.get(ProposalState(state), "is over") if state else "is over"
    return [f"The proposal to act because of an alert {said}"]


def _session_down(facts: NoticeFacts, _: str) -> list[str]:
    since = f"It was lost at {full_moment(facts.since)}. " if facts.since else ""
    rest = f"{since}The portal keeps trying. A request would not reach {facts.provider} now."
    return [f"No connection to {facts.provider} for 5 minutes", rest, facts.reason, _call(facts)]


def _session_up(facts: NoticeFacts, _: str) -> list[str]:
    return [f"The portal is connected to {facts.provider} again"]


def _certificate_ends(facts: NoticeFacts, _: str) -> list[str]:
    if facts.until is None or facts.since is None:
        return [f"The certificate for {facts.provider} ends soon"]
    days = max((facts.until - facts.since).days, 1)
    return [
        f"The certificate for {facts.provider} ends within {plural(days, 'day')}",
        f"It ends at {full_moment(facts.until)}. After that, {facts.provider} accepts no request.",
        "Renew it under Settings › Providers. The connection stays until the new one works.",
    ]


def _plan_activated(facts: NoticeFacts, what: str) -> list[str]:
    rest = "It does so when it loses contact with the portal. Open the plan to see what it reports."
    return [f"{facts.provider} activated {what} automatically", rest]


def _plan_quiet(facts: NoticeFacts, what: str) -> list[str]:
    return [f"{facts.provider} stopped filtering and holds {what} again"]


def _plan_lost(facts: NoticeFacts, what: str) -> list[str]:
    if facts.code:
        why = refusal_sentence(facts.provider, code=facts.code, reason=facts.reason)
        return [f"{facts.provider} refused to hold {what}", why]
    if not facts.provider:
        return [f"No provider holds {what}"]
    return [f"{facts.provider} does not hold {what} any more", _call(facts)]


def _plan_held(facts: NoticeFacts, what: str) -> list[str]:
    return [f"{facts.provider or 'A provider'} holds {what} again"]


def _drill_failed(*_: object) -> list[str]:
    return ["A drill failed", "At least one provider did not confirm what it was asked."]


def _digest(facts: NoticeFacts, _: str) -> list[str]:
    return [f"{facts.count} notices"]


_Writer = Callable[[NoticeFacts, str], list[str]]
_WRITERS: Final[Mapping[str, _Writer]] = {
    NoticeKind.SENT: _sent,
    NoticeKind.ACCEPTED: _accepted,
    NoticeKind.NONE_ACCEPTED: _none_accepted,
    NoticeKind.NOT_REACHED: _not_reached,
    NoticeKind.REFUSED: _refused,
    NoticeKind.OVER_CAPACITY: _over_capacity,
    NoticeKind.ENDS_SOON: _ends_soon,
    NoticeKind.ENDED_BY_PROVIDER: _ended_by_provider,
    NoticeKind.ATTACK_OVER: _attack_over,
    NoticeKind.ENDED: _ended,
    NoticeKind.APPROVAL_WANTED: _approval_wanted,
    NoticeKind.APPROVAL_DECLINED: _approval_declined,
    NoticeKind.APPROVAL_EXPIRED: _approval_expired,
    NoticeKind.BREAK_GLASS: _break_glass,
    NoticeKind.MENTIONED: _mentioned,
    NoticeKind.PROPOSAL: _proposal,
    NoticeKind.SESSION_DOWN: _session_down,
    NoticeKind.CERTIFICATE_ENDS: _certificate_ends,
    NoticeKind.PLAN_ACTIVATED: _plan_activated,
    NoticeKind.PLAN_LOST: _plan_lost,
    NoticeKind.DRILL_FAILED: _drill_failed,
    DIGEST: _digest,
}
_TO_PERSON: Final[Mapping[str, _Writer]] = {
    NoticeKind.MENTIONED: partial(_mentioned, whom="you"),
}
_RECOVERIES: Final[Mapping[str, _Writer]] = {
    NoticeKind.NOT_REACHED: _helped,
    NoticeKind.APPROVAL_WANTED: _approved,
    NoticeKind.PROPOSAL: _proposal_over,
    NoticeKind.SESSION_DOWN: _session_up,
    NoticeKind.PLAN_ACTIVATED: _plan_quiet,
    NoticeKind.PLAN_LOST: _plan_held,
}
