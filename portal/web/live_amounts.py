"""Which amounts in the text of a page the script keeps current (static/js/amounts.js).

The socket sends the amounts that providers report. The script replaces them in the text without
asking the server, so it has to know which mitigations an amount is the sum of. Everything that
depends on more than an amount is rendered by the server.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from portal import wording


def own_amounts(mitigation: wording.MitigationFacts, now: datetime) -> str:
    """The amounts that sentences about one provider name; empty if they are old: then its next
    report changes the sentences too.
    """
    if wording.is_stale(mitigation, now):
        return ""
    found = (
        ("bit_rate", mitigation.bps_dropped, mitigation.bps_dropped),
        ("packet_rate", mitigation.pps_dropped, mitigation.pps_dropped),
        ("amount", mitigation.bytes_dropped, mitigation.own_bytes_dropped),
    )
    return " ".join(
        _amount(form, total, {mitigation.id: own})
        for form, total, own in found
        if total is not None and own is not None
    )


def rate_amounts(
    mitigations: Iterable[wording.MitigationFacts],
    now: datetime,
    *,
    forms: Collection[str] = ("bit_rate",),
    with_old: bool = False,
) -> str:
    """The rate that these drop together; without those that are silent, whose last reports a
    sentence adds up separately.
    """
    rates = {
        one.id: one.bps_dropped
        for one in mitigations
        if one.bps_dropped is not None
        and wording.is_dropping(one, now)
        and (with_old or not wording.is_stale(one, now))
    }
    total = sum(rates.values())
    return " ".join(_amount(form, total, rates) for form in forms) if rates else ""


def reported_kinds(mitigation: wording.MitigationFacts) -> str:
    """Which amounts its provider reports. If that changes, so do the sentences about it."""
    rate = mitigation.bps_dropped
    kinds = (
        ("bytes", mitigation.own_bytes_dropped is not None),
        ("rate" if rate else "zero", rate is not None),
        ("packets", mitigation.pps_dropped is not None),
    )
    return " ".join(kind for kind, is_reported in kinds if is_reported)


def _amount(form: str, total: int, parts: dict[str, int]) -> str:
    """`form:total:mitigation=part,…`, with the function of `form` in portal.core.formatting."""
    of = ",".join(f"{mitigation}={part}" for mitigation, part in parts.items())
    return f"{form}:{total}:{of}"
