"""Sentences about what a provider stopped filtering because a newer request replaced an
older one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from portal.core.formatting import listed
from portal.core.wording.ports_and_protocols import traffic_part
from portal.mitigations.models import Newer, ReplacedBy
from portal.wording.facts import Badge, MitigationFacts, TakenOver

NAMED_TARGETS: Final = 3
UNKNOWN: Final = TakenOver(is_known=False)
REPLACED: Final = Badge("Replaced", "octagon", "bad")
"""Something lost its filter."""
COVERED: Final = Badge("Replaced", "square-tick", "idle")
"""The newer request covers everything."""


def taken_over(replaced_by: ReplacedBy | None) -> TakenOver:
    """None if it ended before the portal recorded what replaced it."""
    if replaced_by is None:
        return UNKNOWN
    return TakenOver(
        names=tuple(dict.fromkeys(one.name for one in replaced_by.by)),
        covers=tuple(dict.fromkeys(_covers(one) for one in replaced_by.by)),
        lost=replaced_by.lost,
    )


def _covers(newer: Newer) -> str:
    targets = _few(newer.targets)
    if not (newer.ports or newer.protocols):
        return targets
    return f"{traffic_part(newer.ports, newer.protocols)} of {targets}"


def is_less(mitigations: Iterable[MitigationFacts]) -> bool:
    """Whether some of these providers protect less than before, as far as the portal knows."""
    return any(_taken(mitigation).is_less for mitigation in mitigations if mitigation.is_replaced)


def _taken(mitigation: MitigationFacts) -> TakenOver:
    return mitigation.taken_over or UNKNOWN


def again_label(newer: int) -> str:
    """The label of the button that requests it again, together with what replaced it."""
    if not newer:
        return "Request again"
    return f"Request again for {'both' if newer == 1 else 'all of them'}"


def badge(mitigations: Iterable[MitigationFacts]) -> Badge:
    return REPLACED if is_less(mitigations) else COVERED


def headline(mitigations: Sequence[MitigationFacts]) -> str:
    """ "Northgate stopped filtering 2001:db8:10:a0::/60: the newer request covers only
    2001:db8:10:a1::/64."
    """
    said: dict[tuple[TakenOver, bool], list[str]] = {}
    for mitigation in mitigations:
        if mitigation.is_replaced and _taken(mitigation).is_less:
            was_filtering = mitigation.mitigating_at is not None
            said.setdefault((_taken(mitigation), was_filtering), []).append(mitigation.short)
    if not said:
        return "Replaced by a newer request that covers all of it."
    return " ".join(
        less(who, taken, was_filtering=is_filter) for (taken, is_filter), who in said.items()
    )


def less(who: Sequence[str], taken: TakenOver, *, was_filtering: bool) -> str:
    """What these providers no longer filter because of the newer requests."""
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


def tell(mitigation: MitigationFacts, when: str) -> tuple[str, str]:
    """The card's text: the fact, and what is still covered."""
    fact = f"Replaced{when} by your newer request."
    taken = _taken(mitigation)
    if not taken.is_known:
        return (
            fact,
            (
                f"{mitigation.short} holds only the newer of two requests that have addresses in "
                f"common."
            ),
        )
    if not taken.is_less:
        return fact, "It covers all of this one."
    covers = f"It covers only {listed(taken.covers)}. " if taken.covers else ""
    return (
        fact,
        f"{covers}{mitigation.short} no longer filters the rest of {_few(taken.lost)}.",
    )


def _few(targets: Sequence[str]) -> str:
    named = list(targets[:NAMED_TARGETS])
    more = len(targets) - NAMED_TARGETS
    return listed([*named, f"{more} more"] if more > 0 else named)
