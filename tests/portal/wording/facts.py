"""Facts about mitigations and requests, and what tests of sentences share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from portal import wording
from portal.core.formatting import NBSP
from portal.events.models import EventType
from portal.mitigations.states import RequestStatus, Status
from portal.wording import MitigationFacts, RequestFacts, Session
from portal.wording.approvals import ApprovalFacts

PROTOCOL_WORDS: Final = (
    "DOTS", "CoAP", "DTLS", "PUT", "CBOR", "invalid", "in progress", "successfully",
)  # fmt: skip
"""Protocol terms that no page uses."""

NOW = datetime(2026, 10, 6, 3, 27, 41, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def plain(text: str) -> str:
    """Text with plain spaces for no-break spaces, to compare it in tests."""
    return text.replace(NBSP, " ")


UP = Session(state="up", since=ago(86400 * 4), last_heard_at=ago(2))
DOWN = Session(state="down", since=ago(961), last_heard_at=ago(961), detail="no route")


def mitigation(
    short: str, status: Status | None, session: Session = UP, **facts: Any
) -> MitigationFacts:
    if status is not None and status != Status.PENDING:
        facts = {"sent_at": ago(937), "confirmed_at": ago(936), **facts}
    return MitigationFacts(
        name=f"{short} Scrubbing",
        short=short,
        session=session,
        status=status,
        phone="+1 555 0142",
        **facts,
    )


def asked(status: RequestStatus, *mitigations: MitigationFacts, **facts: Any) -> RequestFacts:
    return RequestFacts(name="Shop front-end", status=status, mitigations=mitigations, **facts)


def approval(**facts: Any) -> ApprovalFacts:
    """Asked for 16 minutes ago, with half an hour to decide."""
    known: dict[str, Any] = {
        "organization": "Acme",
        "cause": "all",
        "larger_than": None,
        "told": (),
        "asked_at": ago(937),
        "expires_at": ago(937 - 1800),
        "outcome": "waiting",
        "decided_at": ago(881),
        "by": "",
        "reason": "",
    }
    return ApprovalFacts(**known | facts)


MITIGATING: dict[str, Any] = {
    "mitigating_at": ago(920),
    "bps_dropped": 387_500_000,
    "bytes_dropped": 347_000_000_000,
}

NORTHGATE = mitigation("Northgate", Status.MITIGATING, **MITIGATING)
SILENT = mitigation("Northgate", Status.PENDING, sent_at=ago(17), sends=4, overdue_at=ago(7))


def event_facts(type: EventType, data: Any, **facts: Any) -> wording.EventFacts:
    return wording.EventFacts(
        at=NOW, type=type, data=data, provider="Northgate", actor="alice", **facts
    )
