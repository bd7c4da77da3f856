"""The outcome at one provider of the attack status that a person reported."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from portal.core.formatting import when
from portal.mitigations.states import Efficacy
from portal.wording.facts import MitigationFacts, Reported

ATTACK_WORDS: Final = {
    "under-attack": "still under attack",
    "attack-successfully-mitigated": "the attack is mitigated",
}


def efficacy_sentence(mitigation: MitigationFacts, now: datetime) -> str:
    """Empty if no person reported."""
    if mitigation.reported is None:
        return ""
    words = ATTACK_WORDS[mitigation.reported.attack_status]
    return (
        f"You reported {when(mitigation.reported.at, now)}: {words}. "
        f"{_outcome(mitigation, mitigation.reported, now)}"
    )


def _outcome(mitigation: MitigationFacts, reported: Reported, now: datetime) -> str:
    match reported.state:
        case Efficacy.WAITING:
            return f"The portal is sending it to {mitigation.short}."
        case Efficacy.PUT_OFF:
            again = when(reported.retry_at, now)
            return f"{mitigation.short} asked the portal to retry later. Retrying {again}."
        case Efficacy.ACCEPTED:
            return f"{mitigation.short} received it."
        case Efficacy.REFUSED:
            return f"{mitigation.short} did not accept it. {reported.refusal}"
        case Efficacy.UNANSWERED:
            return f"{mitigation.short} has not confirmed it."
        case Efficacy.NOT_SENDABLE:
            return "The portal could not send it."
