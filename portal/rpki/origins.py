"""Could this provider announce that network? From the payloads of the last export."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from portal.core.targets import IPNetwork
from portal.rpki.models import RouteOrigins, ValidatorExport
from portal.rpki.validity import RouteValidity, Vrp, current, route_for, validity

STALE_AFTER: Final = timedelta(hours=24)
"""An older export no longer says what networks do now."""
_CLOCK_SKEW: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginCheck:
    """Whether one AS may announce the route of one network."""

    network: IPNetwork
    route: IPNetwork
    "what it would announce: the network, or the smallest route around it"
    asn: int
    validity: RouteValidity


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """The payloads that concern some networks, and their age."""

    generated_at: datetime | None
    "when the validator wrote them; None: no export was read yet"
    failed_at: datetime | None
    "when reading a newer one failed; None if it did not"
    by_route: dict[str, tuple[Vrp, ...]]
    now: datetime

    @property
    def is_current(self) -> bool:
        """Whether the data are new enough to say something about now."""
        written = self.generated_at
        return written is not None and (self.now - STALE_AFTER <= written <= self.now + _CLOCK_SKEW)

    def vrps(self, network: IPNetwork) -> list[Vrp] | None:
        """Current payloads that cover the route of `network`; None if that is not known now."""
        found = self.by_route.get(str(route_for(network)))
        return None if found is None or not self.is_current else current(found, self.now)

    def check(self, network: IPNetwork, asn: int) -> OriginCheck:
        route, vrps = route_for(network), self.vrps(network)
        return OriginCheck(
            network=network,
            route=route,
            asn=asn,
            validity=RouteValidity.UNKNOWN if vrps is None else validity(route, asn, vrps),
        )


def origins_of(networks: Iterable[IPNetwork], now: datetime) -> Origins | None:
    """None if no validator is configured."""
    if not settings.PORTAL_RPKI_SOURCE:
        return None
    export = ValidatorExport.objects.first()
    routes = {str(route_for(one)) for one in networks}
    rows = RouteOrigins.objects.filter(route__in=routes)
    return Origins(
        generated_at=export.generated_at if export else None,
        failed_at=export.failed_at if export else None,
        by_route={row.route: row.vrps for row in rows},
        now=now,
    )
