"""What a provider stopped filtering when a newer request replaced one, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from portal.core.formatting import listed
from portal.core.wording.traffic import traffic_part
from portal.mitigations.models import Newer, ReplacedBy
from portal.wording.facts import Leg, Look, TakenOver

NAMED_TARGETS: Final = 3
UNKNOWN: Final = TakenOver(is_known=False)
REPLACED: Final = Look("Replaced", "octagon", "bad")
"""Something lost its filter."""
COVERED: Final = Look("Replaced", "square-tick", "idle")
"""The newer request covers everything."""


def taken_over(replaced_by: ReplacedBy | None) -> TakenOver:
    """None: it ended before the portal recorded what replaced it."""
    if replaced_by is None:
        return UNKNOWN
    return TakenOver(
        names=tuple(dict.fromkeys(one["name"] for one in replaced_by["by"])),
        covers=tuple(dict.fromkeys(_covers(one) for one in replaced_by["by"])),
        lost=tuple(replaced_by["lost"]),
    )


def _covers(newer: Newer) -> str:
    targets = _few(newer["targets"])
    if not (newer["ports"] or newer["protocols"]):
        return targets
    ports = [{"lower": port["lower"], "upper": port["upper"]} for port in newer["ports"]]
    return f"{traffic_part(ports, newer['protocols'])} of {targets}"


def is_less(legs: Iterable[Leg]) -> bool:
    """Whether some of these providers protect less than before, as far as the portal knows."""
    return any(_taken(leg).is_less for leg in legs if leg.is_replaced)


def _taken(leg: Leg) -> TakenOver:
    return leg.taken_over or UNKNOWN


def again_label(newer: int) -> str:
    """The label of the button that requests it again, together with what replaced it."""
    if not newer:
        return "Request again"
    return f"Request again for {'both' if newer == 1 else 'all of them'}"


def look(legs: Iterable[Leg]) -> Look:
    return REPLACED if is_less(legs) else COVERED


def headline(legs: Sequence[Leg]) -> str:
    """ "Northgate stopped filtering 2001:db8:10:a0::/60: the newer request covers only 2001:db8:10:a1::/64." """
    said: dict[tuple[TakenOver, bool], list[str]] = {}
    for leg in legs:
        if leg.is_replaced and _taken(leg).is_less:
            was_filtering = leg.mitigating_at is not None
            said.setdefault((_taken(leg), was_filtering), []).append(leg.short)
    if not said:
        return "Replaced by a newer request that covers all of it."
    return " ".join(
        less(who, taken, was_filtering=is_filter) for (taken, is_filter), who in said.items()
    )


def less(who: Sequence[str], taken: TakenOver, *, was_filtering: bool) -> str:
    """What these providers do not filter any more, because of what they took instead."""
    names = listed(who)
    if not taken.is_known:
        return f"{names} replaced this by a newer request for some of the same addresses."
    stopped = "stopped filtering" if was_filtering else "dropped the request for"
    lost = _few(taken.lost)
    if not taken.covers:
        holds = "it holds a newer one" if len(who) == 1 else "they hold a newer one"
        return f"{names} {stopped} {lost}: {holds} that the portal does not know."
    newer = "the newer request covers" if len(taken.names) == 1 else "the newer requests cover"
    return f"{names} {stopped} {lost}: {newer} only {listed(taken.covers)}."


def tell(leg: Leg, when: str) -> tuple[str, str]:
    """The lane's text: the fact, and what is still covered."""
    fact = f"Replaced{when} by your newer request."
    taken = _taken(leg)
    if not taken.is_known:
        return (
            fact,
            f"{leg.short} holds only the newer of two requests that have addresses in common.",
        )
    if not taken.is_less:
        return fact, "It covers all of this one."
    covers = f"It covers only {listed(taken.covers)}. " if taken.covers else ""
    return fact, f"{covers}{leg.short} does not filter the rest of {_few(taken.lost)} any more."


def _few(targets: Sequence[str]) -> str:
    named = list(targets[:NAMED_TARGETS])
    more = len(targets) - NAMED_TARGETS
    return listed([*named, f"{more} more"] if more > 0 else named)
