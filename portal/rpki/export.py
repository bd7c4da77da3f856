"""Read the export of an RPKI validator: Routinator's `json` format, or rpki-client's `-j`.

    {"metadata": {"generatedTime": "2026-11-29T14:00:00Z", …},         Routinator
     "roas": [{"asn": "AS64500", "prefix": "203.0.113.0/24", "maxLength": 24, "ta": "ripe"}, …]}
    {"metadata": {"buildtime": "2026-11-29T14:00:00Z", …},             rpki-client
     "roas": [{"asn": 64500, "prefix": "203.0.113.0/24", "maxLength": 24, "expires": 1795900000}]}

An export has about a million payloads, so it is read as a stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import ip_network
from typing import IO, Any, Final

import ijson

from portal.core.targets import IPNetwork
from portal.rpki.validity import Vrp

MAX_ASN: Final = 2**32 - 1
_TIMES: Final = ("metadata.generatedTime", "metadata.buildtime", "metadata.generated")


class UnreadableExportError(ValueError):
    """The export is no JSON, or not of a known shape. The text says where."""


def generated_at(export: IO[bytes]) -> datetime | None:
    """When the validator wrote it; None if it does not say so in the members before `roas`."""
    try:
        for path, event, value in ijson.parse(export):
            if path == "roas" and event == "start_array":
                return None
            if path in _TIMES and (found := _time(value)) is not None:
                return found
    except ijson.JSONError as error:
        raise UnreadableExportError(str(error)) from error
    return None


def _time(value: Any) -> datetime | None:
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        return datetime.fromtimestamp(int(value), UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def payloads(export: IO[bytes]) -> Iterator[Vrp]:
    """Each validated payload. Raises UnreadableExportError for one that is none."""
    found_any = False
    try:
        for item in ijson.items(export, "roas.item"):
            found_any = True
            yield _payload(item)
    except ijson.JSONError as error:
        raise UnreadableExportError(str(error)) from error
    if not found_any:
        # A validator that lost its cache writes an empty list: everything would be not-found.
        raise UnreadableExportError("it has no roas")


def _payload(item: Any) -> Vrp:
    try:
        prefix = ip_network(item["prefix"])
        asn = int(str(item["asn"]).upper().removeprefix("AS"))
        max_length = int(item.get("maxLength", prefix.prefixlen))
        expires = item.get("expires")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableExportError(f"not a payload: {_shown(item)}") from error
    if not 0 <= asn <= MAX_ASN or not prefix.prefixlen <= max_length <= prefix.max_prefixlen:
        raise UnreadableExportError(f"out of range: {_shown(item)}")
    return Vrp(
        prefix=prefix,
        max_length=max_length,
        asn=asn,
        expires_at=int(expires) if isinstance(expires, int | Decimal) else None,
    )


def _shown(item: Any) -> str:
    return repr(item)[:100]


def covering(routes: Iterable[IPNetwork], vrps: Iterable[Vrp]) -> dict[IPNetwork, tuple[Vrp, ...]]:
    """For each route, the payloads that cover it; one pass over `vrps`."""
    by_network: dict[IPNetwork, list[IPNetwork]] = {}
    found: dict[IPNetwork, list[Vrp]] = {}
    for route in set(routes):
        found[route] = []
        for length in range(route.prefixlen + 1):
            by_network.setdefault(route.supernet(new_prefix=length), []).append(route)
    for vrp in vrps:
        for route in by_network.get(vrp.prefix, ()):
            found[route].append(vrp)
    return {route: tuple(dict.fromkeys(own)) for route, own in found.items()}
