"""Incidents and proposals in people's words."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

from portal.alerts.endpoint_policy import Automatic, AutomaticMode
from portal.alerts.models import AlertProposal, Incident, IncidentState, ProposalState, ProposedAct
from portal.core.formatting import bit_rate, packet_rate, since, when
from portal.wording.facts import Badge
from portal.wording.sessions import Say

INCIDENT_BADGES: Final = {
    IncidentState.ONGOING: Badge("Ongoing", "triangle", "warn"),
    IncidentState.ENDING: Badge("Ending", "hourglass", "idle"),
    IncidentState.ENDED: Badge("Ended", "square-tick", "idle"),
    IncidentState.QUIET: Badge("Quiet", "dashed-ring", "idle"),
}
PROPOSAL_BADGES: Final = {
    ProposalState.OPEN: Badge("Open", "hourglass", "warn"),
    ProposalState.CONFIRMED: Badge("Confirmed", "disc-tick", "good"),
    ProposalState.DISMISSED: Badge("Dismissed", "ring", "idle"),
    ProposalState.EXPIRED: Badge("Expired", "clock", "warn"),
    ProposalState.NOT_NEEDED: Badge("Not needed", "ring", "idle"),
}


MODES: Final = {
    AutomaticMode.OFF: "Every proposal waits for a person.",
    AutomaticMode.WATCH: "Every proposal waits, and says whether the portal would have sent it.",
    AutomaticMode.ON: "The portal sends proposals within the limits at once.",
}
_BITS_PER_BYTE: Final = 8
_AUTOMATIC: Final = {
    Automatic.SENT: "The portal sent it, as the policy of {endpoint} allows.",
    Automatic.WOULD: "{endpoint} is only watched: the portal would have sent this at once.",
    Automatic.SEVERITY: "A person decides, because the severity is too low for {endpoint}.",
    Automatic.PREFIX: "A person decides, because {endpoint} has no right to some target.",
    Automatic.SIZE: "A person decides, because a prefix is too large for {endpoint}.",
    Automatic.HOURS: "A person decides at this hour.",
    Automatic.COUNT: "A person decides, because {endpoint} had its requests of this hour.",
    Automatic.REFUSED: "The portal could not send it at once.",
}


def automatic_says(one: AlertProposal) -> str:
    """What the portal did with a proposal without a person, or why it did not; empty: it may not
    do anything.
    """
    if not one.automatic:
        return ""
    name = one.endpoint.name if one.endpoint else "its detector"
    words = _AUTOMATIC[Automatic(one.automatic)].format(endpoint=name)
    return f"{words} {one.refusal}".strip()


def amounts(one: Incident) -> str:
    """The largest amounts that its detectors reported; empty if they reported none."""
    bits = "" if one.bps is None else bit_rate(Decimal(one.bps) / _BITS_PER_BYTE)
    return ", ".join(filter(None, (bits, packet_rate(one.pps))))


def says_incident(one: Incident, now: datetime) -> str:
    """What its detectors say about its end."""
    match IncidentState(one.state):
        case IncidentState.ONGOING:
            return f"Detectors have reported it since {since(one.began_at, now)}."
        case IncidentState.ENDING:
            over = f"It counts as over {when(one.closes_at, now)}, unless it begins again."
            return f"Its detectors report the end. {over}"
        case IncidentState.ENDED:
            return f"Its detectors reported the end {when(one.ended_at or one.last_at, now)}."
        case IncidentState.QUIET:
            return f"Quiet since {since(one.last_at, now)}. No detector reported an end."


def proposal_title(one: AlertProposal) -> str:
    targets = ", ".join(one.targets.texts[:3])
    more = len(one.targets) - 3
    about = f"{targets} and {more} more" if more > 0 else targets
    if one.act == ProposedAct.TERMINATE:
        return f"Terminate the request for {about}"
    return f"Protect {about}"


def proposals_headline(count: int) -> str:
    if not count:
        return "Your detectors propose nothing."
    return (
        "1 proposal waits for a decision."
        if count == 1
        else f"{count} proposals wait for a decision."
    )


def proposals_say(count: int) -> Say:
    """What Now opens with while proposals wait and nothing is live."""
    return Say(
        INCIDENT_BADGES[IncidentState.ONGOING],
        proposals_headline(count),
        "Your detectors report an attack.",
    )


def outcome(one: AlertProposal, by: str) -> str:
    """What became of a proposal that is over. `by`: the name of who decided; empty: no one."""
    title = proposal_title(one)
    match ProposalState(one.state):
        case ProposalState.CONFIRMED if one.automatic == Automatic.SENT:
            return f"{title}: {automatic_says(one)}"
        case ProposalState.CONFIRMED:
            return f"{title}: {by or 'someone'} confirmed."
        case ProposalState.DISMISSED:
            return f"{title}: {by or 'someone'} dismissed it. “{one.reason}”"
        case ProposalState.EXPIRED:
            return f"{title}: no one decided, and nothing was sent."
        case ProposalState.NOT_NEEDED:
            return f"{title}: not needed any more."
        case ProposalState.OPEN:
            return f"{title}: waits for a decision."


def evidence(one: Incident, why: str, now: datetime) -> str:
    """`why`: which detectors report what."""
    reported = ", ".join(filter(None, (why, amounts(one))))
    return f"{reported}. {says_incident(one, now)}"
