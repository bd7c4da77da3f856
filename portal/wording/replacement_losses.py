"""Sentences about what a live request would lose to a newer one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from portal.core.formatting import listed
from portal.core.targets import IPNetwork
from portal.mitigations.overlaps import Loss, collapsed

NAMED_PARTS: Final = 3
NAMED_LOSSES: Final = 4
V6_NETWORK: Final = 64
"""IPv6 is counted in networks of this length, because there are too many single addresses."""
MAX_COUNTED_NETWORKS: Final = 65536


@dataclass(frozen=True, slots=True)
class _Verb:
    one: str
    several: str
    narrowed: str


_FILTERED: Final = _Verb("loses its filter", "lose their filter", "keeps its filter only for")
_ASKED: Final = _Verb("is no longer requested", "are no longer requested", "is requested only for")


def loss_sentences(losses: Sequence[Loss], *, is_filtering: bool) -> list[str]:
    """The first few, such as "31 of 32 addresses of 203.0.113.64/27 lose their filter.", then the
    number of others.
    """
    verb = _FILTERED if is_filtering else _ASKED
    said = [_sentence(loss, verb) for loss in losses[:NAMED_LOSSES]]
    more = len(losses) - NAMED_LOSSES
    if more > 0:
        said.append(
            f"{more} more targets {verb.several}." if more > 1 else f"1 more target {verb.one}."
        )
    return said


def _sentence(loss: Loss, verb: _Verb) -> str:
    only = "; ".join(
        f"{part.target} {verb.narrowed} {part.traffic}" for part in loss.narrowed[:NAMED_PARTS]
    )
    if isinstance(loss.target, str):
        return f"{only or f'{loss.target} {verb.one}'}."
    narrowed = [part.target for part in loss.narrowed if not isinstance(part.target, str)]
    first = _count(loss.target, [*loss.kept, *narrowed], verb)
    return f"{'; '.join(part for part in (first, only) if part)}."


def _count(network: IPNetwork, left: Sequence[IPNetwork], verb: _Verb) -> str:
    """How much of a network loses all traffic; empty if none of it does."""
    parts = collapsed(left)
    if parts == [network]:
        return ""
    if network.prefixlen == network.max_prefixlen:
        return f"{network} {verb.one}"
    counted = _counted(network, parts)
    if counted is None:
        but = f", except {_few(parts)}" if parts else ""
        return f"{network} {verb.one}{but}"
    lost, of, noun = counted
    if lost == of:
        return f"All {of:,} {noun} of {network} {verb.several}"
    return f"{lost:,} of {of:,} {noun} of {network} {verb.one if lost == 1 else verb.several}"


def _counted(network: IPNetwork, left: Sequence[IPNetwork]) -> tuple[int, int, str] | None:
    if isinstance(network, IPv4Network):
        return (
            network.num_addresses - sum(one.num_addresses for one in left),
            network.num_addresses,
            "addresses",
        )
    of = _v6_networks(network)
    has_smaller = any(one.prefixlen > V6_NETWORK for one in left)
    if has_smaller or not 1 < of <= MAX_COUNTED_NETWORKS:
        return None
    lost = of - sum(_v6_networks(one) for one in left if isinstance(one, IPv6Network))
    return lost, of, f"/{V6_NETWORK} networks"


def _v6_networks(network: IPv6Network) -> int:
    return 1 << (V6_NETWORK - network.prefixlen) if network.prefixlen <= V6_NETWORK else 0


def _few(parts: Sequence[IPNetwork]) -> str:
    named = [str(one) for one in parts[:NAMED_PARTS]]
    more = len(parts) - NAMED_PARTS
    return listed([*named, f"{more} more"] if more > 0 else named)


def taken_away(lost: Iterable[tuple[str, Sequence[Loss]]], *, is_filtering: bool) -> str:
    """What each provider would stop protecting: "At Northgate, 31 of 32 addresses of
    203.0.113.64/27 lose their filter."

    Empty: nothing is lost.
    """
    at: dict[tuple[Loss, ...], list[str]] = {}
    for provider, losses in lost:
        if losses:
            at.setdefault(tuple(losses), []).append(provider)
    said = []
    for losses, providers in at.items():
        first, *others = loss_sentences(losses, is_filtering=is_filtering)
        said += [f"At {listed(providers)}, {first[:1].lower()}{first[1:]}", *others]
    return " ".join(said)


def left_out(
    names: Sequence[str], lost: Iterable[tuple[str, Sequence[Loss]]], *, is_filtering: bool
) -> str:
    """Why failover skips a provider if asking it would end part of other live requests there."""
    return (
        "The portal does not ask it automatically: that would remove protection from "
        f"{listed(names)}."
        f" {taken_away(lost, is_filtering=is_filtering)}"
    )


def already(name: str, *, is_protected: bool) -> str:
    return f"Already {'protected by' if is_protected else 'asked for in'} {name}."


def may_be_protected(name: str) -> str:
    return f"May already be protected by {name}."


def no_joint_request(why: str) -> str:
    return f"One request cannot cover all of it. {why}"
