"""How what a provider answered is saved when the database, or our own code, refuses part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from portal.mitigations.services import ProviderReport

DETAILS: Final[Mapping[str, Any]] = {"reason": "", "conflict": None, "gateways": ""}
"""Arguments of the services that hold what a provider chose to write, and what stands in for it."""


class NotSaved(Exception):
    """The provider answered, and all that could be saved is that it did."""


def without_details(told: Mapping[str, Any]) -> dict[str, Any]:
    """What decides, such as a code, a status or a time, without the provider's own words and numbers."""
    return {name: _bare(name, value) for name, value in told.items()}


def _bare(name: str, value: Any) -> Any:
    if isinstance(value, ProviderReport):
        return replace(
            value,
            mitigation_start=None,
            bytes_dropped=None,
            pkts_dropped=None,
            bps_dropped=None,
            pps_dropped=None,
            conflict=None,
        )
    return DETAILS.get(name, value)
