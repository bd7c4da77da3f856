"""Sentences about routes that a provider could or could not announce."""

from __future__ import annotations

from datetime import datetime

from portal.core.formatting import ago
from portal.core.targets import IPNetwork
from portal.rpki.origins import STALE_AFTER, OriginCheck, Origins


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
