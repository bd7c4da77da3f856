"""Which events are worth a notice."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from portal.events.models import EventType
from portal.mitigations.models import RequestKind
from portal.notifications.happened import TYPES, Happened, Occurrence, happened
from portal.notifications.kinds import ALWAYS_MAILED, AT_ONCE, DEFAULTS, NoticeKind, may_choose
from portal.notifications.message import Severity
from portal.organizations.models import Role

CRITICAL, WARNING, INFO, RESOLVED = (
    Severity.CRITICAL,
    Severity.WARNING,
    Severity.INFO,
    Severity.RESOLVED,
)


def found_in(type: str, **more: Any) -> Happened | None:
    facts = {
        name: more.pop(name)
        for name in ("asked", "confirmed", "refused", "is_ours", "request_kind", "subscription")
        if name in more
    }
    is_about_request = type.startswith(("request.", "mitigation."))
    return happened(
        Occurrence(
            seq=7,
            type=EventType(type),
            data=more,  # type: ignore[arg-type] # some keys of EventData
            request="r" if is_about_request else "",
            mitigation="m" if type.startswith("mitigation.") else "",
            **facts,
        )
    )


PLAN = RequestKind.STANDBY


@pytest.mark.parametrize(
    ("type", "facts", "kind", "severity"),
    [
        ("request.submitted", {"status": "awaiting_approval"}, "approval.wanted", WARNING),
        ("request.approved", {}, "approval.wanted", RESOLVED),
        ("request.declined", {}, "approval.declined", RESOLVED),
        ("request.break_glass", {}, "request.break_glass", WARNING),
        ("request.note", {"mentioned": ["u"], "text": "look"}, "request.mentioned", INFO),
        ("mitigation.sent", {"status": "pending"}, "request.sent", INFO),
        (
            "request.status",
            {"status": "in_progress", "previous": "requesting", "asked": 1, "confirmed": 1},
            "request.accepted",
            INFO,
        ),
        (
            "mitigation.status",
            {"status": "in_progress", "previous": "pending", "asked": 2, "confirmed": 2},
            "request.accepted",
            INFO,
        ),
        (
            "request.status",
            {"status": "failing", "previous": "requesting", "asked": 2, "refused": 2},
            "request.none_accepted",
            CRITICAL,
        ),
        (
            "request.status",
            {"status": "failing", "previous": "requesting", "asked": 2, "refused": 1},
            "request.not_reached",
            CRITICAL,
        ),
        (
            "request.status",
            {"status": "mitigating", "previous": "failing"},
            "request.not_reached",
            RESOLVED,
        ),
        (
            "mitigation.refused",
            {"status": "refused", "previous": "pending", "code": "4.09"},
            "request.refused",
            WARNING,
        ),
        (
            "mitigation.refused",
            {"status": "mitigating", "previous": "mitigating", "code": "4.00"},
            "request.refused",
            WARNING,
        ),
        (
            "mitigation.status",
            {"status": "exceeded", "previous": "mitigating"},
            "request.over_capacity",
            WARNING,
        ),
        (
            "mitigation.status",
            {"status": "withdrawn", "previous": "mitigating"},
            "request.ended_by_provider",
            CRITICAL,
        ),
        (
            "mitigation.status",
            {"status": "terminating", "previous": "in_progress"},
            "request.ended_by_provider",
            CRITICAL,
        ),
        (
            "mitigation.status",
            {
                "status": "withdrawn",
                "previous": "mitigating",
                "why": "superseded",
                "is_less": True,
            },
            "request.ended_by_provider",
            CRITICAL,
        ),
        (
            "request.status",
            {"status": "attack_stopped", "previous": "mitigating"},
            "request.attack_over",
            INFO,
        ),
        (
            "request.status",
            {"status": "terminated", "previous": "terminating", "ended_by": "person"},
            "request.ended",
            RESOLVED,
        ),
        (
            "request.status",
            {"status": "expired", "previous": "mitigating", "ended_by": "lifetime"},
            "request.ended",
            RESOLVED,
        ),
        ("request.acknowledged", {}, "request.ended", RESOLVED),
        (
            "request.status",
            {"status": "expired", "ended_by": "not_approved"},
            "approval.expired",
            WARNING,
        ),
        (
            "request.status",
            {"status": "failing", "previous": "standby", "request_kind": PLAN},
            "plan.lost",
            WARNING,
        ),
        (
            "request.status",
            {"status": "standby", "previous": "failing", "request_kind": PLAN},
            "plan.lost",
            RESOLVED,
        ),
        (
            "mitigation.status",
            {"status": "in_progress", "previous": "standby", "request_kind": PLAN},
            "plan.activated",
            WARNING,
        ),
        (
            "mitigation.status",
            {"status": "standby", "previous": "mitigating", "request_kind": PLAN},
            "plan.activated",
            RESOLVED,
        ),
        (
            "mitigation.status",
            {"status": "pending", "previous": "standby", "request_kind": PLAN},
            "plan.lost",
            WARNING,
        ),
        ("proposal.made", {"incident": "i"}, "alert.proposal", WARNING),
        ("proposal.dismissed", {"incident": "i"}, "alert.proposal", RESOLVED),
        ("session.up", {"subscription": "s"}, "session.down", RESOLVED),
        ("drill.ended", {"passed": False}, "drill.failed", WARNING),
    ],
)
def test_an_event_becomes_a_notice(
    type: str, facts: dict[str, Any], kind: str, severity: Severity
) -> None:
    facts = facts | ({"subscription": "s"} if type == "session.up" else {})
    found = found_in(type, **facts)
    assert found is not None
    assert (found.kind, found.severity) == (kind, severity)


@pytest.mark.parametrize(
    ("type", "facts"),
    [
        ("request.submitted", {"status": "requesting"}),
        ("request.extended", {}),
        ("mitigation.counters", {"bps_dropped": 1}),
        # One of two has accepted.
        (
            "request.status",
            {"status": "in_progress", "previous": "requesting", "asked": 2, "confirmed": 1},
        ),
        # The request's own event tells it.
        (
            "mitigation.status",
            {"status": "in_progress", "previous": "pending", "asked": 1, "confirmed": 1},
        ),
        # Nothing changed.
        ("mitigation.status", {"status": "mitigating", "previous": "mitigating"}),
        ("mitigation.status", {"status": "pending", "previous": "pending", "why": "unsaved"}),
        # A person or the policy ended it.
        (
            "mitigation.status",
            {"status": "terminating", "previous": "mitigating", "is_ours": True},
        ),
        # A request that protects at least as much takes its place.
        (
            "mitigation.status",
            {"status": "withdrawn", "previous": "mitigating", "why": "superseded"},
        ),
        # A withdrawal that could not be sent.
        ("mitigation.refused", {"status": "terminating", "previous": "terminating"}),
        # Told when the provider ended it.
        ("request.status", {"status": "terminated", "ended_by": "provider"}),
        ("request.status", {"status": "terminated", "ended_by": "newer_request"}),
        ("mitigation.sent", {"status": "pending", "request_kind": PLAN}),
        ("request.acknowledged", {"request_kind": PLAN}),
        ("request.note", {"mentioned": [], "text": "look"}),
        ("session.down", {"state": "down"}),
        ("drill.ended", {"passed": True}),
        ("member.added", {"user": "eve"}),
    ],
)
def test_other_events_become_none(type: str, facts: dict[str, Any]) -> None:
    assert found_in(type, **facts) is None


@pytest.mark.parametrize("type", sorted(TYPES))
def test_a_request_of_a_drill_tells_nothing(type: EventType) -> None:
    facts = {"status": "failing", "previous": "requesting"}
    occurrence = Occurrence(
        seq=1,
        type=type,
        data=facts,  # type: ignore[arg-type] # some keys of EventData
        request="r",
        request_kind=RequestKind.DRILL,
    )
    assert happened(occurrence) is None


@pytest.mark.parametrize("type", sorted(EventType))
def test_every_type_of_event_is_read_without_its_keys(type: EventType) -> None:
    """The log keeps what earlier releases wrote."""
    happened(Occurrence(seq=1, type=type, data={}, request="r", mitigation="m"))


def test_everything_about_one_request_is_one_thread() -> None:
    sent = found_in("mitigation.sent", status="pending")
    failing = found_in("request.status", status="failing", previous="requesting", asked=1)
    ended = found_in("request.status", status="terminated", ended_by="person")
    assert sent
    assert failing
    assert ended
    assert {sent.thread, failing.thread, ended.thread} == {"request:r"}
    assert [one.closes_thread for one in (sent, failing, ended)] == [False, False, True]


def test_a_refusal_has_one_key_however_often_the_portal_asks_again() -> None:
    keys = {
        found_in("mitigation.refused", status="refused", previous=previous, code="4.09").key  # type: ignore[union-attr]
        for previous in ("pending", "refused")
    }
    assert keys == {"refused:m:4.09"}


def test_a_recovery_closes_its_thread() -> None:
    found = found_in("session.up", subscription="s")
    assert found
    assert (found.is_recovery, found.closes_thread) == (True, True)


def test_each_role_gets_what_the_roles_before_it_get() -> None:
    kinds = [DEFAULTS[role] for role in Role]
    for fewer, more in pairwise(kinds):
        assert fewer < more


def test_kinds_without_delay_reach_everyone_who_can_act() -> None:
    for kind in AT_ONCE:
        roles = [role for role in Role if may_choose(kind, role) and role != Role.VIEWER]
        assert roles
        assert all(kind in DEFAULTS[role] for role in roles) or kind in ALWAYS_MAILED


def test_a_person_who_may_not_approve_cannot_choose_to_be_asked() -> None:
    assert not may_choose(NoticeKind.APPROVAL_WANTED, Role.OPERATOR)
    assert may_choose(NoticeKind.APPROVAL_WANTED, Role.APPROVER)
