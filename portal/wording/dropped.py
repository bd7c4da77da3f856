"""Sentences about the traffic that providers report to have dropped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from portal.core.formatting import bit_rate, listed
from portal.wording.badges import (
    DisplayStatus,
    display_status,
    dropped_now,
    is_stale,
)
from portal.wording.facts import MitigationFacts


def dropped_sentence(mitigations: Sequence[MitigationFacts], now: datetime) -> str:
    """ "Together they drop 4.3 Gbit/s.", as far as they report it."""
    rate = dropped_now(mitigations, now)
    if rate is None:
        return ""
    reporting = [mitigation for mitigation in mitigations if is_dropping(mitigation, now)]
    silent = [mitigation for mitigation in reporting if is_stale(mitigation, now)]
    if silent and len(silent) < len(reporting):
        heard = [mitigation for mitigation in reporting if mitigation not in silent]
        return f"{dropped_sentence(heard, now)} {_last_dropped(silent, names_of(silent), now)}"
    who = reporting[0].short if len(reporting) == 1 else "Together they"
    if silent:
        return _last_dropped(silent, who, now)
    return f"{who} {'drops' if len(reporting) == 1 else 'drop'} {bit_rate(rate)}."


def _last_dropped(silent: Sequence[MitigationFacts], who: str, now: datetime) -> str:
    return f"{who} last reported {bit_rate(dropped_now(silent, now))} dropped."


def is_dropping(mitigation: MitigationFacts, now: datetime) -> bool:
    return mitigation.bps_dropped is not None and display_status(mitigation, now) in (
        DisplayStatus.MITIGATING,
        DisplayStatus.EXCEEDED,
    )


def names_of(mitigations: Sequence[MitigationFacts]) -> str:
    return listed([mitigation.short for mitigation in mitigations])
