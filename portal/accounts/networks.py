"""The networks from which a token may be used."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from portal.core.errors import FieldError, Invalid

MAX_NETWORKS: Final = 20


def normal_networks(typed: Sequence[str], *, field: str = "allowed_networks") -> str:
    """The networks in their normal form, separated by spaces; empty: everywhere.

    `typed`: addresses and networks such as `198.51.100.0/24`. Invalid with an error at each item
    that is none.
    """
    errors, networks = [], []
    for index, text in enumerate(typed[:MAX_NETWORKS]):
        try:
            # A zone (fe80::1%eth0) means something only on one machine.
            networks.append(str(ip_network(text.strip().replace("%", "/"))))
        except ValueError:
            message = f"“{text.strip()[:50]}” is no network. Write it like 198.51.100.0/24."
            errors.append(FieldError(f"{field}.{index}", "not-a-network", message))
    if len(typed) > MAX_NETWORKS:
        message = f"At most {MAX_NETWORKS} networks."
        errors.append(FieldError(field, "too-many", message))
    if errors:
        raise Invalid(errors[0].message, errors=errors)
    return " ".join(dict.fromkeys(networks))


def is_allowed(networks: str, address: str) -> bool:
    """Whether `address` is in one of the `networks` of a token; of none: always.

    An address behind a Unix socket is empty, and in no network.
    """
    if not networks:
        return True
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    plain = _plain(found)
    return any(plain in ip_network(one) for one in networks.split())


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    is_mapped = isinstance(address, IPv6Address) and address.ipv4_mapped is not None
    return address.ipv4_mapped or address if is_mapped else address  # type: ignore[union-attr]
