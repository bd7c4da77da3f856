"""Targets as providers write them: any text, until it is parsed here."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

from portal.core.targets.model import Targets
from portal.core.targets.networks import IPNetwork
from portal.core.targets.one_target import normal_uri


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedTargets:
    """The targets that a provider reports, each in its spelling."""

    prefixes: tuple[str, ...] = ()
    fqdns: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    """Names for targets that some other program gave the provider; the portal does not know what
    they stand for.
    """

    @property
    def texts(self) -> tuple[str, ...]:
        """One by one; aliases in quotation marks."""
        return (*self.prefixes, *self.fqdns, *self.uris, *(f"“{one}”" for one in self.aliases))

    @property
    def targets(self) -> Targets:
        """The targets that a request can name, in normal form."""
        networks = map(_network, self.prefixes)
        return Targets(
            prefixes=tuple(dict.fromkeys(one for one in networks if one is not None)),
            fqdns=tuple(dict.fromkeys(one.lower().rstrip(".") for one in self.fqdns)),
            uris=tuple(dict.fromkeys(map(normal_uri, self.uris))),
        )

    @property
    def unknown(self) -> frozenset[str]:
        """The others, as in `texts`: aliases, and invalid prefixes."""
        no_prefixes = (one for one in self.prefixes if _network(one) is None)
        return frozenset((*no_prefixes, *(f"“{one}”" for one in self.aliases)))


def _network(text: str) -> IPNetwork | None:
    """The network of an address with or without a prefix length, and even with host bits set."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None
