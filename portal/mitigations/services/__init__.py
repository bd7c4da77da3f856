"""The writes of this app, as plain verbs: `services.submit(...)`, `services.terminate(...)`."""

from __future__ import annotations

from portal.mitigations.services.acknowledge import (
    MAX_ACKNOWLEDGED,
    SeenEnd,
    acknowledge,
    acknowledge_all,
)
from portal.mitigations.services.approvals import (
    approve,
    break_glass,
    current_preview,
    decline,
    expire_approvals,
)
from portal.mitigations.services.ask_provider import ask_provider
from portal.mitigations.services.confirmations import (
    Confirmation,
    changes_status_only,
    note_confirmed,
    record_confirmations,
)
from portal.mitigations.services.deadlines import mark_due_again, mark_expired, mark_overdue
from portal.mitigations.services.downsampling import downsample_counters
from portal.mitigations.services.efficacy import record_efficacy_answered, report_efficacy
from portal.mitigations.services.extend import extend
from portal.mitigations.services.failures import (
    mark_failure,
    record_end_not_sendable,
    record_not_sendable,
)
from portal.mitigations.services.locks import lock_requests
from portal.mitigations.services.mids import raise_next_mid, take_higher_mid
from portal.mitigations.services.notes import add_note, unknown_names
from portal.mitigations.services.numbers import HeardReport, SavedNumbers, record_numbers
from portal.mitigations.services.outcomes import (
    record_confirmed,
    record_end_in_loop,
    record_forgotten,
    record_identity_replaced,
    record_refused,
    record_release,
    record_sent,
    record_superseded,
    record_unavailable,
    record_withdrawal_confirmed,
)
from portal.mitigations.services.redundant_requests import terminate_redundant
from portal.mitigations.services.refresh import ask_refresh
from portal.mitigations.services.reports import (
    ProviderReport,
    changes_numbers_only,
    record_report,
    says_nothing_new,
)
from portal.mitigations.services.sending import (
    Sending,
    record_sending,
    record_sendings,
    record_sends,
)
from portal.mitigations.services.sent import Sent, record_several_sent
from portal.mitigations.services.stop_plan_filtering import give_up, resume_holding, stop_filtering
from portal.mitigations.services.submit import submit, submitted_before
from portal.mitigations.services.take_over import take_over
from portal.mitigations.services.terminate import terminate
from portal.mitigations.services.withdraw import withdraw_mitigation, withdraw_provider

__all__ = [
    "MAX_ACKNOWLEDGED",
    "Confirmation",
    "HeardReport",
    "ProviderReport",
    "SavedNumbers",
    "SeenEnd",
    "Sending",
    "Sent",
    "acknowledge",
    "acknowledge_all",
    "add_note",
    "approve",
    "ask_provider",
    "ask_refresh",
    "break_glass",
    "changes_numbers_only",
    "changes_status_only",
    "current_preview",
    "decline",
    "downsample_counters",
    "expire_approvals",
    "extend",
    "give_up",
    "lock_requests",
    "mark_due_again",
    "mark_expired",
    "mark_failure",
    "mark_overdue",
    "note_confirmed",
    "raise_next_mid",
    "record_confirmations",
    "record_confirmed",
    "record_efficacy_answered",
    "record_end_in_loop",
    "record_end_not_sendable",
    "record_forgotten",
    "record_identity_replaced",
    "record_not_sendable",
    "record_numbers",
    "record_refused",
    "record_release",
    "record_report",
    "record_sending",
    "record_sendings",
    "record_sends",
    "record_sent",
    "record_several_sent",
    "record_superseded",
    "record_unavailable",
    "record_withdrawal_confirmed",
    "report_efficacy",
    "resume_holding",
    "says_nothing_new",
    "stop_filtering",
    "submit",
    "submitted_before",
    "take_higher_mid",
    "take_over",
    "terminate",
    "terminate_redundant",
    "unknown_names",
    "withdraw_mitigation",
    "withdraw_provider",
]
