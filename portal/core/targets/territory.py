"""The targets that an organization may request protection for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from portal.core.targets.model import Kind, Target, Targets
from portal.core.targets.networks import IPNetwork, contains
from portal.core.targets.one_target import normal_uri
from portal.core.targets.uris import uri_host, uri_network


@dataclass(frozen=True, slots=True, kw_only=True)
class Territory:
    """The targets that an organization may request protection for: its verified resources."""

    networks: tuple[IPNetwork, ...] = ()
    names: tuple[str, ...] = ()
    uris: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, resources: Iterable[Target]) -> Territory:
        targets = Targets.of(resources)
        return cls(
            networks=targets.prefixes,
            names=targets.fqdns,
            uris=tuple(map(normal_uri, targets.uris)),
        )

    def has(self, target: Target) -> bool:
        if not isinstance(target.value, str):
            return self.has_network(target.value)
        match target.kind:
            case Kind.FQDN:
                return self.has_name(target.value)
            case Kind.URI:
                return self.has_uri(target.value)
        return False

    def has_network(self, network: IPNetwork) -> bool:
        return any(contains(own, network) for own in self.networks)

    def has_name(self, name: str) -> bool:
        return any(name == own or name.endswith(f".{own}") for own in self.names)

    def has_uri(self, uri: str) -> bool:
        if uri in self.uris:
            return True
        network = uri_network(uri)
        return self.has_name(uri_host(uri)) if network is None else self.has_network(network)
