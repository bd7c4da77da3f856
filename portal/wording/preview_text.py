"""The preview of a request: which provider gets it and when, and what it may do to legitimate
traffic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from portal.core.formatting import NBSP, listed
from portal.core.targets import Targets
from portal.mitigations.models import Strategy

MAX_NAMED: Final = 3
_WIDE: Final = 256
"""From this many addresses on, a prefix is described as large."""


def gets_this(name: str, *, after: Sequence[str], patience_s: int) -> str:
    """The headline of one provider's message.

    `after`: the providers that must fail before it is asked.
    """
    if not after:
        return f"{name} gets this now"
    return f"{name} gets this only if {_cannot_help(after, patience_s)}"


def _cannot_help(before: Sequence[str], patience_s: int) -> str:
    if len(before) == 1:
        who = before[0]
        return (
            f"{who} refuses, is over capacity, stops, or does not answer within {patience_s}{NBSP}s"
        )
    return (
        f"each of {listed(before)} refuses, is over capacity, stops, or does not answer within "
        f"{patience_s}{NBSP}s"
    )


def effects(
    targets: Targets, *, is_narrowed: bool, names: Sequence[str], strategy: str
) -> list[str]:
    """What a provider may do to legitimate traffic, each a sentence or two."""
    whole = targets.texts
    what = listed(whole if len(whole) <= MAX_NAMED else [*whole[:MAX_NAMED], "others"])
    effects_found = [
        f"Traffic to {what} is diverted through the provider. Some legitimate connections may drop "
        f"when it begins "
        "and when it ends.",
        (
            "The provider decides which packets look bad. It may drop good ones, slow them down, "
            "or ask visitors for proof."
        ),
    ]
    if not is_narrowed:
        effects_found.append(
            "No port and no protocol is named, so it may act on everything sent to these targets."
        )
    if wide := [str(one) for one in targets.prefixes if one.num_addresses >= _WIDE]:
        is_one = len(wide) == 1
        effects_found.append(
            f"{listed(wide[:MAX_NAMED])} {'holds' if is_one else 'hold'} many addresses: "
            f"those that are not "
            "under attack are diverted too."
        )
    if targets.fqdns or targets.uris:
        effects_found.append(
            "The provider resolves names. Others who share the addresses may be affected too."
        )
    if strategy == Strategy.PARALLEL and len(names) > 1:
        effects_found.append(
            f"{listed(names)} filter at the same time: traffic takes all their paths."
        )
    return effects_found
