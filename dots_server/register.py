"""The mitigations that a server holds, and the owners of cuids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Set

from dots_client import Targets
from dots_server.mitigation import Mitigation
from dots_server.overlaps import Overlaps


class Register:
    """Except for iteration, no cost depends on the number of clients."""

    def __init__(self) -> None:
        self._by_client: dict[str, dict[tuple[str, int], Mitigation]] = {}
        self._cuid_owners: dict[str, str] = {}
        self._cuids: defaultdict[str, set[str]] = defaultdict(set)
        self._overlaps = Overlaps()

    def __iter__(self) -> Iterator[Mitigation]:
        """All of them, client by client."""
        return iter([held for own in self._by_client.values() for held in own.values()])

    def find(self, client: str, cuid: str, mid: int) -> Mitigation | None:
        return self._by_client.get(client, {}).get((cuid, mid))

    def of_cuid(self, client: str, cuid: str, mid: int | None) -> list[Mitigation]:
        """The one with this mid, or all of the cuid."""
        if mid is None:
            return [held for held in self.of_client(client) if held.cuid == cuid]
        held = self.find(client, cuid, mid)
        return [] if held is None else [held]

    def of_client(self, client: str) -> list[Mitigation]:
        return list(self._by_client.get(client, {}).values())

    def overlapping(self, targets: Targets) -> list[Mitigation]:
        """Mitigations of any client that share a target, the oldest first."""
        return self._overlaps.find(targets)

    def is_mitigating_for(self, client: str) -> bool:
        return any(held.is_active for held in self._by_client.get(client, {}).values())

    def add(self, mitigation: Mitigation) -> Mitigation | None:
        """Returns the mitigation with the same mid that it replaces."""
        replaced = self.find(mitigation.client, mitigation.cuid, mitigation.mid)
        if replaced is not None:
            self.remove(replaced)
        own = self._by_client.setdefault(mitigation.client, {})
        own[mitigation.cuid, mitigation.mid] = mitigation
        self._overlaps.add(mitigation)
        return replaced

    def remove(self, mitigation: Mitigation) -> None:
        own = self._by_client[mitigation.client]
        del own[mitigation.cuid, mitigation.mid]
        if not own:
            del self._by_client[mitigation.client]
        self._overlaps.remove(mitigation)

    # The cuids

    @property
    def cuid_owners(self) -> dict[str, str]:
        """Client by cuid.

        A cuid stays with the client that first used it (RFC 9132 section 4.4.1.1).
        """
        return dict(self._cuid_owners)

    def owner_of(self, cuid: str) -> str | None:
        return self._cuid_owners.get(cuid)

    def cuids_of(self, client: str) -> Set[str]:
        return self._cuids.get(client, frozenset())

    def assign_cuid(self, cuid: str, client: str) -> None:
        self._cuid_owners[cuid] = client
        self._cuids[client].add(cuid)

    def forget_cuids(self) -> None:
        self._cuid_owners.clear()
        self._cuids.clear()
