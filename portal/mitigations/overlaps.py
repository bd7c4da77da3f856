"""What two mitigations share, and what the older one loses if the newer one replaces it: pure set
arithmetic.

A provider deletes the older of two mitigations of one client that share an address, name or URI,
whatever their ports and protocols (RFC 9132 section 4.4.1). The loss does depend on those: a newer
mitigation for TCP alone leaves UDP unfiltered.

Names and URIs are compared as text, URIs in normal form, since the portal does not know to which
addresses a provider resolves them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import Final

from portal.core.formatting import listed
from portal.core.targets import (
    MAX_PORT,
    IPNetwork,
    PortRange,
    ReportedTargets,
    Targets,
    contains,
    normal_uri,
    overlap,
)
from portal.core.wording.ports_and_protocols import traffic_part

EVERY_PORT: Final = PortRange(0, MAX_PORT)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Some ports of some protocols. Port ranges are inclusive, sorted, and do not touch."""

    ports: tuple[PortRange, ...] = ()
    "empty: every port"
    protocols: frozenset[int] = frozenset()
    "empty: every protocol"

    @classmethod
    def of(cls, ports: Iterable[PortRange], protocols: Iterable[int]) -> Traffic:
        merged = _merged(ports)
        return cls(() if merged == (EVERY_PORT,) else merged, frozenset(protocols))

    def __str__(self) -> str:
        """For use inside a sentence: "TCP, port 443", "any protocol, port 443"."""
        return traffic_part(self.ports, sorted(self.protocols))

    def covers(self, other: Traffic) -> bool:
        return self._covers_ports(other) and self._covers_protocols(other)

    def __or__(self, other: Traffic) -> Traffic:
        """The smallest traffic that one request can ask for and that covers both."""
        ports = _merged((*self.ports, *other.ports)) if self.ports and other.ports else ()
        has_some = self.protocols and other.protocols
        return Traffic.of(ports, self.protocols | other.protocols if has_some else ())

    def _covers_protocols(self, other: Traffic) -> bool:
        if not self.protocols:
            return True
        return bool(other.protocols) and other.protocols <= self.protocols

    def _covers_ports(self, other: Traffic) -> bool:
        if not self.ports:
            return True
        return bool(other.ports) and all(
            any(mine.lower <= one.lower and one.upper <= mine.upper for mine in self.ports)
            for one in other.ports
        )


def _merged(ports: Iterable[PortRange]) -> tuple[PortRange, ...]:
    merged: list[PortRange] = []
    for one in sorted(ports):
        if merged and one.lower <= merged[-1].upper + 1:
            last = merged.pop()
            one = PortRange(last.lower, max(last.upper, one.upper))
        merged.append(one)
    return tuple(merged)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What one mitigation protects: all of this traffic to all of these targets."""

    networks: tuple[IPNetwork, ...]
    names: frozenset[str]
    "domain names, and URIs in normal form; only URIs have a scheme, so the two cannot be confused"
    traffic: Traffic

    @classmethod
    def of(
        cls,
        targets: Targets,
        ports: Iterable[PortRange] = (),
        protocols: Iterable[int] = (),
    ) -> Coverage:
        return cls(
            targets.prefixes,
            frozenset((*targets.fqdns, *map(normal_uri, targets.uris))),
            Traffic.of(ports, protocols),
        )

    @classmethod
    def reported(
        cls, held: ReportedTargets, ports: Iterable[PortRange], protocols: Iterable[int]
    ) -> Coverage:
        """The coverage of a mitigation as a provider describes it, in its spelling.

        Aliases and invalid prefixes stay text, which no request can have in common.
        """
        read = held.targets
        names = frozenset((*read.fqdns, *read.uris)) | held.unknown
        return cls(read.prefixes, names, Traffic.of(ports, protocols))

    def __bool__(self) -> bool:
        """False if it has no targets, so that nothing is known."""
        return bool(self.networks or self.names)

    def is_same(self, other: Coverage) -> bool:
        """The same addresses, names and traffic, in any spelling and order."""
        return (
            self.names == other.names
            and self.traffic == other.traffic
            and collapsed(self.networks) == collapsed(other.networks)
        )

    def shares_target_with(self, other: Coverage) -> bool:
        """Whether the two overlap as defined in RFC 9132 section 4.4.1: a provider keeps only the
        newer one.
        """
        return not self.names.isdisjoint(other.names) or any(
            overlap(mine, theirs) for mine in self.networks for theirs in other.networks
        )


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A part of a target that is still protected, but only for some of its traffic."""

    target: IPNetwork | str
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class Loss:
    """A target of an older mitigation that newer ones do not protect, or only in part, or only for
    some traffic.
    """

    target: IPNetwork | str
    "a name or URI is text"
    kept: tuple[IPNetwork, ...] = ()
    "the parts that lose nothing: disjoint, and smaller than the whole target"
    narrowed: tuple[Narrowed, ...] = ()
    "the parts that keep some of their traffic"

    def __str__(self) -> str:
        """The API's text: "203.0.113.64/27 except 203.0.113.66/32", or only the target if all of it
        is lost.
        """
        parts = [str(one) for one in self.kept]
        for part in self.narrowed:
            of = "" if part.target == self.target else f" of {part.target}"
            parts.append(f"{part.traffic}{of}")
        return f"{self.target} except {listed(parts)}" if parts else str(self.target)


def losses(old: Coverage, newer: Sequence[Coverage]) -> tuple[Loss, ...]:
    """What `old` protects but none of `newer` does, in the order of the targets of `old`; empty if
    nothing is lost.

    Parts of the traffic to one address do not add up over several of `newer`: a provider never
    holds two for one address.
    """
    return tuple(
        loss
        for loss in (
            *(_lost_network(one, old.traffic, newer) for one in old.networks),
            *(_lost_name(one, old.traffic, newer) for one in sorted(old.names)),
        )
        if loss is not None
    )


def _lost_network(own: IPNetwork, traffic: Traffic, newer: Sequence[Coverage]) -> Loss | None:
    kept: list[IPNetwork] = []
    narrowed: list[tuple[IPNetwork, Traffic]] = []
    for one in newer:
        for other in one.networks:
            common = _common(own, other)
            if common is None:
                continue
            if one.traffic.covers(traffic):
                kept.append(common)
            else:
                narrowed.append((common, one.traffic))
    whole = tuple(collapsed(kept))
    if whole == (own,):
        return None
    return Loss(
        own,
        whole,
        tuple(
            Narrowed(network, left)
            for network, left in narrowed
            if not any(contains(one, network) for one in whole)
        ),
    )


def _lost_name(own: str, traffic: Traffic, newer: Sequence[Coverage]) -> Loss | None:
    holding = [one.traffic for one in newer if own in one.names]
    if any(one.covers(traffic) for one in holding):
        return None
    return Loss(own, narrowed=tuple(Narrowed(own, one) for one in holding))


def _common(one: IPNetwork, other: IPNetwork) -> IPNetwork | None:
    if contains(one, other):
        return other
    return one if contains(other, one) else None


def collapsed(networks: Sequence[IPNetwork]) -> list[IPNetwork]:
    """The fewest networks that contain exactly these addresses, IPv4 first."""
    v4 = [one for one in networks if isinstance(one, IPv4Network)]
    v6 = [one for one in networks if isinstance(one, IPv6Network)]
    return [*collapse_addresses(v4), *collapse_addresses(v6)]
