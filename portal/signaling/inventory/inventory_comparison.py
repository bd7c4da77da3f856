"""Compare what a server holds with our rows: which mitigations are ours, and which mids are in use.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from dots_client import MidAllocator, MitigationReport, MitigationStatus
from portal.mitigations.models import Mitigation
from portal.mitigations.overlaps import Coverage
from portal.signaling.mapping import reported_mitigation

ENDING: Final = (MitigationStatus.TERMINATING, MitigationStatus.TERMINATED)
ENDED_RECENTLY: Final = timedelta(seconds=300)
"""A server may continue a mitigation this long after its end (RFC 9132 section 4.4.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryAnswer:
    """A server's answer to the question which mitigations it holds for our cuid."""

    held: Mapping[int, MitigationReport] = field(default_factory=dict)
    "by mid"
    absent: frozenset[int] = frozenset()
    "mids that we asked for one by one and that it does not hold"
    refusal: str = ""
    "why there is no list: a response code, `silence` or `unreadable`; empty: there is one"
    wait_s: float = 0.0
    "the pause that it asks for before the next question; 0: none"

    @property
    def is_listed(self) -> bool:
        return not self.refusal


def next_mid_after(*mids: int) -> int:
    """The lowest mid above all of these that the counter follows (`FOLLOWED_UP_TO`)."""
    counter = MidAllocator(next_mid=0)
    counter.found_in_use(mids)
    return counter.next_mid


def is_ours(report: MitigationReport, row: Mitigation | None, now: datetime) -> bool:
    """Whether the server holds the mitigation of `report` because of `row`, our row with the same
    mid.
    """
    if row is None:
        return False
    if row.is_over:
        was_sent = row.sent_at is not None or row.confirmed_at is not None
        is_fresh = row.ended_at is None or now - row.ended_at < ENDED_RECENTLY
        return was_sent and (is_fresh or report.status in ENDING)
    if row.confirmed_at is not None:
        return True
    is_same = is_same_scope(report, row)
    return row.sent_at is not None if is_same is None else is_same


def is_in_use(
    row: Mitigation,
    answer: InventoryAnswer,
    now: datetime,
    *,
    winner: int | None = None,
    winner_row: Mitigation | None = None,
) -> bool | None:
    """Whether a server refused a new mitigation because its mid is in use; None: the answers do not
    say.

    `winner`: the mid of ours that the server names in a conflict; `winner_row`: our row with that
    mid. A refusal that names a higher mid of ours without a row here means that the counter is
    behind (RFC 9132 section 4.4.1.3).
    """
    report = answer.held.get(row.mid)
    if report is not None and is_same_scope(report, row) is not True:
        return True
    if winner is not None:
        is_higher = row.mid <= winner < next_mid_after(winner)
        return is_higher and not _explains(winner_row, answer.held.get(winner), now)
    return False if report is not None or row.mid in answer.absent else None


def _explains(row: Mitigation | None, report: MitigationReport | None, now: datetime) -> bool:
    if report is not None:
        return is_ours(report, row, now)
    return row is not None and not row.is_over


def is_same_scope(report: MitigationReport, row: Mitigation) -> bool | None:
    """Whether the server holds what `row` asks for; None when it does not say what it holds."""
    if report.targets is None:
        return None
    if report.trigger_mitigation not in (None, row.request.is_immediate):
        return False
    request, reported = row.request, reported_mitigation(row.mid, report)
    own = Coverage.of(row.scope, request.ports, request.protocols)
    return reported.is_whole and own.is_same(
        Coverage.reported(reported.targets, reported.ports, reported.protocols)
    )
