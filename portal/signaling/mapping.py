"""Translate between the portal's rows and the protocol's values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from dots_client import (
    ConflictInformation,
    ConflictStatus,
    MitigationReport,
    MitigationStatus,
    Scope,
    Targets,
)
from portal.core.targets import PortRange, ReportedTargets
from portal.inventory.reported_mitigation import ReportedMitigation
from portal.mitigations.models import Mitigation, ProviderConflict
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import BY_DOTS_STATUS, Trigger
from portal.mitigations.validation import wire_scope

TRIGGERS: Final[Mapping[int | None, Trigger]] = dict(BY_DOTS_STATUS.items())

MAX_REPORTED: Final = 64
"""Keep at most this many targets, ports, protocols or filters of each kind for an unknown
mitigation.
"""

MAX_NAMED: Final = 20
"""Keep at most this many prefixes and accept lists of one conflict."""


def scope_of(mitigation: Mitigation, *, lifetime_s: int) -> Scope:
    """Exactly the scope first sent, except for the lifetime (SC-044)."""
    request = mitigation.request
    return wire_scope(
        mitigation.scope,
        ports=request.ports,
        protocols=request.protocols,
        lifetime_s=lifetime_s,
        is_immediate=request.is_immediate,
    )


def provider_report(report: MitigationReport) -> ProviderReport:
    """An unassigned status keeps its number and triggers nothing.

    A start of 0 means that it has not begun.
    """
    start = report.mitigation_start
    return ProviderReport(
        dots_status=None if report.status is None else int(report.status),
        trigger=TRIGGERS.get(report.status),
        lifetime_s=report.lifetime,
        mitigation_start=_instant(start) if start else None,
        bytes_dropped=report.bytes_dropped,
        pkts_dropped=report.pkts_dropped,
        bps_dropped=report.bps_dropped,
        pps_dropped=report.pps_dropped,
        conflict=None if report.conflict is None else conflict_of(report.conflict),
    )


def reported_mitigation(mid: int, report: MitigationReport) -> ReportedMitigation:
    """A provider's report on a mitigation that no request here asked for, with MAX_REPORTED scope
    entries of each kind.
    """
    targets = report.targets or Targets()
    filters = tuple(control.acl_name for control in report.acl_list)
    of_each_kind = (
        targets.target_prefix,
        targets.target_fqdn,
        targets.target_uri,
        targets.alias_name,
        targets.target_port_range,
        targets.target_protocol,
        filters,
    )
    start, is_armed = report.mitigation_start, report.status == MitigationStatus.SIGNAL_LOSS
    return ReportedMitigation(
        mid=mid,
        targets=ReportedTargets(
            prefixes=targets.target_prefix[:MAX_REPORTED],
            fqdns=targets.target_fqdn[:MAX_REPORTED],
            uris=targets.target_uri[:MAX_REPORTED],
            aliases=targets.alias_name[:MAX_REPORTED],
        ),
        ports=tuple(
            PortRange(one.lower, one.lower if one.upper is None else one.upper)
            for one in targets.target_port_range[:MAX_REPORTED]
        ),
        protocols=targets.target_protocol[:MAX_REPORTED],
        filters=filters[:MAX_REPORTED],
        is_whole=max(map(len, of_each_kind)) <= MAX_REPORTED,
        is_preconfigured=report.trigger_mitigation is False or is_armed,
        dots_status=None if report.status is None else int(report.status),
        # Some servers send 0 for a mitigation that has not begun.
        mitigation_start=_instant(start) if start else None,
        lifetime_s=report.lifetime,
    )


def _instant(epoch_s: int) -> datetime | None:
    """None for a number outside the calendar: the rest of the report still counts."""
    try:
        return datetime.fromtimestamp(epoch_s, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def conflict_of(conflict: ConflictInformation) -> ProviderConflict:
    """The conflict as it is saved."""
    prefixes = conflict.targets.target_prefix if conflict.targets is not None else ()
    return ProviderConflict(
        cause=None if conflict.cause is None else int(conflict.cause),
        status=None if conflict.status is None else _status_word(conflict.status),
        retry_after=conflict.retry_timer_s,
        mid=conflict.mid,
        prefixes=tuple(prefixes[:MAX_NAMED]),
        accept_lists=tuple(entry.acl_name for entry in conflict.acl_list[:MAX_NAMED]),
    )


def _status_word(status: ConflictStatus | int) -> str:
    if isinstance(status, ConflictStatus):
        return status.name.lower().replace("_", "-")
    return f"unknown-{status}"
