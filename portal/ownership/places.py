"""Where the portal looks for the proof of a claim, and for what. Pure functions of targets."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from portal.core.targets import IPNetwork, Kind, Target, uri_host, uri_network
from portal.ownership.states import ProofMethod

LABEL: Final = "_dots-portal"
PATH: Final = "/.well-known/dots-portal.txt"
"""Fixed: a server that repeats the path of a request in its answer proves nothing."""
PREFIX_OF_VALUE: Final = "dots-portal-verification="
MAX_ZONES: Final = 16
"""Reverse zones in one proof: a /20 has 16 of a /24."""
_STEP: Final = {4: 8, 6: 4}
"""Bits of one label in a reverse zone."""
_LONGEST_ZONE: Final = {4: 24, 6: 64}
"""Reverse zones of longer prefixes are rarely delegated, and then by aliases (RFC 2317)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The places for one resource."""

    dns: tuple[tuple[str, ...], ...] = ()
    "alternatives: a TXT record at every name of one of them"
    host: str = ""
    "whose web server may have the file; empty for addresses"

    @property
    def methods(self) -> tuple[ProofMethod, ...]:
        """That can work for the resource; staff always can."""
        http = (ProofMethod.HTTP,) if self.host else ()
        dns = (ProofMethod.DNS,) if self.dns else ()
        return (*dns, *http, ProofMethod.STAFF)


def new_token() -> str:
    """256 random bits, as 43 characters."""
    return secrets.token_urlsafe(32)


def value_of(token: str) -> str:
    """The text that the TXT record or the file must have."""
    return f"{PREFIX_OF_VALUE}{token}"


def is_among(value: str, texts: Iterable[bytes]) -> bool:
    """Whether one of `texts` is the value, compared in constant time. All are compared."""
    wanted = value.encode("ascii")
    equal = [hmac.compare_digest(wanted, text.strip()) for text in texts]
    return True in equal


def places_of(target: Target) -> Places:
    if not isinstance(target.value, str):
        return Places(dns=_reverse(target.value))
    if target.kind == Kind.PREFIX:
        return Places()
    network = uri_network(target.value) if target.kind == Kind.URI else None
    if network is not None:
        return Places(dns=_reverse(network))
    name = target.value if target.kind == Kind.FQDN else uri_host(target.value)
    return Places(dns=((f"{LABEL}.{name}",),), host=name) if name else Places()


def _reverse(network: IPNetwork) -> tuple[tuple[str, ...], ...]:
    """The zone that contains the network; and, if it is divided into several zones, all of
    these.
    """
    step, longest = _STEP[network.version], _LONGEST_ZONE[network.version]
    length = min(network.prefixlen, longest)
    around = length - length % step
    alternatives: list[tuple[str, ...]] = []
    if around < length and 2 ** (around + step - length) <= MAX_ZONES:
        own = network.subnets(new_prefix=around + step)
        alternatives.append(tuple(_reverse_name(one) for one in own))
    if around:
        alternatives.append((_reverse_name(network.supernet(new_prefix=around)),))
    return tuple(alternatives)


def _reverse_name(network: IPNetwork) -> str:
    labels = network.network_address.reverse_pointer.split(".")
    host_labels = (network.max_prefixlen - network.prefixlen) // _STEP[network.version]
    return ".".join([LABEL, *labels[host_labels:]])
