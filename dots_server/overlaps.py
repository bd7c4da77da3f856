"""An index that finds the mitigations with a target in common with a request."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Iterator

from dots_client import Targets
from dots_server.mitigation import Mitigation
from dots_server.targets import Network, plain_name, prefix_network

_Start = tuple[int, int]
"""First address of a prefix as a number, and its length."""


class _Prefixes:
    """The target prefixes of one address family."""

    def __init__(self) -> None:
        self._holders: dict[_Start, set[Mitigation]] = {}
        self._sorted: list[_Start] = []
        self._lengths: Counter[int] = Counter()

    def add(self, network: Network, mitigation: Mitigation) -> None:
        start = int(network.network_address), network.prefixlen
        if start not in self._holders:
            self._holders[start] = set()
            insort(self._sorted, start)
            self._lengths[network.prefixlen] += 1
        self._holders[start].add(mitigation)

    def remove(self, network: Network, mitigation: Mitigation) -> None:
        start = int(network.network_address), network.prefixlen
        holders = self._holders.get(start, set())
        holders.discard(mitigation)
        if start in self._holders and not holders:
            del self._holders[start]
            del self._sorted[bisect_left(self._sorted, start)]
            self._lengths[network.prefixlen] -= 1
            self._lengths += Counter()  # drops the zeros

    def overlapping(self, network: Network) -> Iterator[Mitigation]:
        first, last = int(network.network_address), int(network.broadcast_address)
        for length in self._lengths:
            if length <= network.prefixlen:
                host_bits = network.max_prefixlen - length
                yield from self._holders.get((first >> host_bits << host_bits, length), ())
        at = bisect_left(self._sorted, (first, network.prefixlen))
        while at < len(self._sorted) and self._sorted[at][0] <= last:
            yield from self._holders[self._sorted[at]]
            at += 1


class Overlaps:
    """All mitigations, by prefix and by name."""

    def __init__(self) -> None:
        self._prefixes = {4: _Prefixes(), 6: _Prefixes()}
        self._names: defaultdict[tuple[str, str], set[Mitigation]] = defaultdict(set)
        self._order: dict[Mitigation, int] = {}
        self._added = 0

    def add(self, mitigation: Mitigation) -> None:
        self._added += 1
        self._order[mitigation] = self._added
        for network in _networks(mitigation.scope.targets):
            self._prefixes[network.version].add(network, mitigation)
        for name in _names(mitigation.scope.targets):
            self._names[name].add(mitigation)

    def remove(self, mitigation: Mitigation) -> None:
        del self._order[mitigation]
        for network in _networks(mitigation.scope.targets):
            self._prefixes[network.version].remove(network, mitigation)
        for name in _names(mitigation.scope.targets):
            self._names[name].discard(mitigation)
            if not self._names[name]:
                del self._names[name]

    def find(self, targets: Targets) -> list[Mitigation]:
        """The mitigations that share a target with `targets`, the oldest first."""
        found: set[Mitigation] = set()
        for network in _networks(targets):
            found.update(self._prefixes[network.version].overlapping(network))
        for name in _names(targets):
            found.update(self._names.get(name, ()))
        return sorted(found, key=self._order.__getitem__)


def _networks(targets: Targets) -> list[Network]:
    return [prefix_network(prefix) for prefix in targets.target_prefix]


def _names(targets: Targets) -> set[tuple[str, str]]:
    return {
        *(("fqdn", plain_name(name)) for name in targets.target_fqdn),
        *(("uri", uri) for uri in targets.target_uri),
        *(("alias", alias) for alias in targets.alias_name),
    }
