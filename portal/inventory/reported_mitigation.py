"""A mitigation as a provider reports it, and whether it is the mitigation of a given row.

Pure functions.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from portal.core.targets import PortRange, ReportedTargets
from portal.inventory.models import UnknownMitigation
from portal.mitigations.models import Mitigation
from portal.mitigations.overlaps import Coverage
from portal.mitigations.services.reports import lifetime_end
from portal.mitigations.validation import INDEFINITE


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedMitigation:
    """A mitigation as a provider reports it, in the portal's terms."""

    mid: int
    targets: ReportedTargets
    ports: tuple[PortRange, ...] = ()
    protocols: tuple[int, ...] = ()
    filters: tuple[str, ...] = ()
    is_whole: bool = True
    is_preconfigured: bool = False
    dots_status: int | None = None
    mitigation_start: datetime | None = None
    lifetime_s: int | None = None
    "remaining; -1: unlimited"

    def columns(self, now: datetime) -> dict[str, Any]:
        columns = {one.name: getattr(self, one.name) for one in fields(self)}
        lifetime_s = columns.pop("lifetime_s")
        return {
            **columns,
            "expires_at": None if lifetime_s is None else lifetime_end(lifetime_s, now),
            "is_indefinite": lifetime_s == INDEFINITE,
            "reported_at": now,
        }


def is_different(row: UnknownMitigation, reported: ReportedMitigation) -> bool:
    """Whether the provider now holds a different mitigation under the mid of `row`.

    A restored database assigns mids again, so a mid alone does not identify the mitigation of a
    row. A mitigation that the provider does not describe counts as the same.
    """
    return _differ(
        Coverage.reported(row.targets, row.ports, row.protocols),
        Coverage.reported(reported.targets, reported.ports, reported.protocols),
    )


def was_asked_by(mitigation: Mitigation, reported: ReportedMitigation) -> bool:
    """Whether `reported` is the result of `mitigation`, which has the same mid."""
    request = mitigation.request
    return not _differ(
        Coverage.of(mitigation.scope, request.ports, request.protocols),
        Coverage.reported(reported.targets, reported.ports, reported.protocols),
    )


def _differ(one: Coverage, other: Coverage) -> bool:
    return bool(one and other) and not one.is_same(other)
