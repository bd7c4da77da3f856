"""The columns of a mitigation that services set, with their types."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict
from uuid import UUID

from portal.accounts.models import User
from portal.mitigations.models import FilteringEnd, ProviderConflict, ReplacedBy, Wanted
from portal.mitigations.states import Status


class MitigationColumns(TypedDict, total=False):
    """Some columns and their new values. The fields of `Mitigation` say what each means."""

    mid: int
    wanted: Wanted
    asked_at: datetime
    asked_by: User | None
    overdue_at: datetime | None
    withdrawal_asked_at: datetime
    withdrawn_by: User | None
    withdrawn_cause: str
    withdrawn_for: tuple[UUID, ...]
    release_tried_at: datetime
    release_tries: int
    hold_again: bool

    status: Status
    dots_status: int
    reported_at: datetime
    sent_at: datetime | None
    last_sent_at: datetime | None
    sends: int
    confirmed_at: datetime
    refreshed_at: datetime
    mitigating_at: datetime | None
    withdrawal_confirmed_at: datetime | None
    ended_at: datetime | None
    last_heard_at: datetime
    expires_at: datetime | None
    retry_at: datetime | None
    setbacks: int
    refusal_code: str
    refusal_reason: str
    conflict: ProviderConflict | None
    unsaved_at: datetime | None
    replaced_by: ReplacedBy
    filtering_end: FilteringEnd | None
    mitigation_start: datetime | None
    bytes_dropped: int | None
    pkts_dropped: int | None
    bps_dropped: int | None
    pps_dropped: int | None
    counters_since: datetime | None
    counters_at: datetime | None

    efficacy: int
    efficacy_asked_at: datetime
    efficacy_answered_at: datetime
    efficacy_accepted: bool | None
    efficacy_code: str
    efficacy_reason: str
    efficacy_retry_at: datetime | None
    efficacy_tries: int
