"""Sentences about routes that a provider could or could not announce."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from portal.core.formatting import ago
from portal.core.targets import IPNetwork
from portal.rpki.origins import STALE_AFTER, OriginCheck, Origins
from portal.rpki.provider_routes import ProviderRoutes
from portal.rpki.validity import RouteValidity

MAX_NAMED: Final = 5
"""Routes that one text names."""


def could_not(provider: str, check: OriginCheck) -> str:
    """For a route that is RPKI-invalid: who, what and why."""
    network, route = check.network, check.route
    inside = f", which contains {network}" if route != network else ""
    return (
        f"{provider} could not announce {route}{inside}: its route would be RPKI-invalid. "
        f"Publish a ROA that allows AS{check.asn}."
    )


def could_not_in_a_request(provider: str, check: OriginCheck) -> str:
    """The same as a note, without what takes longer than an attack."""
    network, route = check.network, check.route
    inside = f" around {network}" if route != network else ""
    return f"{provider} could not announce {route}{inside}: its route would be RPKI-invalid."


def may_announce(provider: str, routes: ProviderRoutes) -> str:
    """Whether the provider could announce everything that it would protect."""
    match routes.code:
        case RouteValidity.INVALID:
            named = [could_not_in_a_request(provider, one) for one in routes.invalid[:MAX_NAMED]]
            more = len(routes.invalid) - len(named)
            return " ".join([*named, f"And {more} more."] if more > 0 else named)
        case RouteValidity.UNKNOWN if not routes.origins.is_current:
            return age(routes.origins)
        case RouteValidity.UNKNOWN:
            return f"The portal has not looked up all routes that {provider} would announce."
        case RouteValidity.NOT_FOUND:
            return (
                f"Not every route that {provider} would announce has a ROA. Most networks accept "
                "any origin for a route without one."
            )
        case RouteValidity.VALID:
            return f"ROAs allow the routes that {provider} would announce."


def age(origins: Origins) -> str:
    """How old the validator's data are, and what that means."""
    if origins.generated_at is None:
        return "The portal has not been able to read the RPKI validator’s data yet."
    when = f"The RPKI data are from {ago(origins.generated_at, origins.now)}"
    if not origins.is_current:
        hours = int(STALE_AFTER.total_seconds() // 3600)
        return f"{when}: too old to say anything about now (more than {hours} hours)."
    return f"{when}."


def roa(network: IPNetwork, max_length: int, asn: int) -> str:
    """One payload, as information: it says who may announce, not who owns."""
    parts = f" and its parts up to /{max_length}" if max_length > network.prefixlen else ""
    return f"AS{asn} may announce {network}{parts}."


def read_failed(failed_at: datetime | None, now: datetime) -> str:
    return "" if failed_at is None else f"Reading newer data failed {ago(failed_at, now)}."
