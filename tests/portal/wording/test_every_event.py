"""Every event reads well in the timeline and aloud, for requests and plans."""

from __future__ import annotations

from itertools import permutations
from typing import Any, Final

import pytest

from portal import wording
from portal.events.models import EventType
from portal.mitigations import states
from portal.mitigations.models import RequestKind
from portal.mitigations.states import LOOP, RequestStatus, Status
from portal.organizations.models import Role
from portal.organizations.services import SETTINGS
from portal.ownership.states import ProofMethod, ProofResult
from portal.wording.organization_changes import ACTING_ENDS
from tests.portal.wording.facts import (
    NOW,
    ago,
    plain,
)
from tests.portal.wording.test_every_sentence import malformed

STATUS_DATA: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"lifetime": 3600},
    {"lifetime": -1},
    {"told": True},
    {"retry_at": ago(-86_400 * 3).isoformat()},
    {"unknown": 9},
    {"mitigation_start": ago(86_400 * 3).isoformat()},
    *(
        {"why": why}
        for why in (
            "turn", "unsent", "lifetime_over", "mid_in_use", "mid_in_doubt", "identity",
            "superseded", "unsaved", "still_held", "lifetime over", "mid in use", "still held",
        )
    ),
    {"why": "still_held", "tries": 3},
)  # fmt: skip
EVENT_DATA: Final[dict[EventType, list[Any]]] = {
    EventType.MITIGATION_STATUS: [
        {"status": status.value, "previous": "accepted", **more}
        for status in Status
        for more in STATUS_DATA
    ],
    EventType.REQUEST_STATUS: [
        {"status": status.value, **more}
        for status in RequestStatus
        for more in ({}, {"waits": True}, {"next_try_at": ago(-86_400 * 3).isoformat()})
    ],
    EventType.MITIGATION_REFUSED: [
        {"code": code, "reason": reason}
        for code in ("", "4.00", "4.09", "4.99", "5.03", LOOP, states.NOT_SENDABLE)
        for reason in ("", "edge-1")
    ],
    EventType.MITIGATION_EFFICACY: [
        {"attack_status": "under-attack"},
        {"attack_status": "attack-successfully-mitigated"},
        {"answered": True},
        {"answered": True, "accepted": True},
        {"answered": True, "code": "4.00", "reason": "no"},
        {"answered": True, "code": states.NOT_SENDABLE},
        {"answered": True, "retry_at": ago(-86_400 * 3).isoformat()},
    ],
    EventType.REQUEST_EXTENDED: [{"lifetime": 3600}, {"lifetime": -1}],
    EventType.REQUEST_NOTE: [{"text": "Watch port 443."}],
    EventType.REQUEST_TAKEN_OVER: [
        {"changed": {"responsible": {"from": name, "to": "dana"}}} for name in ("", "bob")
    ],
    EventType.REQUEST_SUBMITTED: [{}, {"adopted": True}],
    EventType.MITIGATION_ASKED: [{}, {"why": "by_hand"}, {"why": "by hand"}],
    EventType.MITIGATION_WITHDRAW_REQUESTED: [{}, {"hold_again": True}],
    EventType.DRILL_ENDED: [{"passed": True}, {"passed": False}],
    EventType.MEMBER_ADDED: [{"user": "bob", "role": role.value} for role in Role],
    EventType.MEMBER_ROLE_CHANGED: [
        {"user": "bob", "role": role.value, "previous": previous.value, **by}
        for role, previous in permutations(Role, 2)
        for by in ({}, {"by": "staff"})
    ],
    EventType.MEMBER_INVITED: [
        {"email": "eve@example.com", "role": role.value, **more}
        for role in Role
        for more in ({}, {"is_renewed": True})
    ],
    EventType.MEMBER_INVITATION_REVOKED: [{"email": "eve@example.com", "role": "viewer"}],
    EventType.MEMBER_JOINED: [{"email": "eve@example.com", "role": role.value} for role in Role],
    EventType.MEMBER_FACTOR_RESET_STARTED: [{"user": "bob", "reason": "called back"}],
    EventType.MEMBER_FACTOR_RESET_CANCELED: [{"user": "bob"}],
    EventType.MEMBER_REMOVED: [{"user": "bob", "role": role.value} for role in Role],
    EventType.MEMBER_SECOND_FACTOR_RESET: [{"user": "bob"}],
    EventType.RESOURCE_ADDED: [{"name": "Shop", "value": "203.0.113.0/26"}],
    EventType.RESOURCE_VERIFIED: [{"name": "Shop", "value": "shop.example"}],
    EventType.RESOURCE_RENAMED: [
        {"name": "Shop", "value": "203.0.113.0/26", "former_name": "Old shop"}
    ],
    EventType.RESOURCE_CHECKED: [
        {"name": "Shop", "value": "shop.example", "method": method.value, "result": result.value}
        for method in (ProofMethod.DNS, ProofMethod.HTTP)
        for result in ProofResult
    ],
    EventType.RESOURCE_REFUSED: [
        {"name": "Shop", "value": "shop.example", "reason": "It was sold last year."}
    ],
    **{
        type: [{"name": "Shop", "value": "shop.example"}]
        for type in (
            EventType.RESOURCE_REMOVED,
            EventType.RESOURCE_WAITING,
            EventType.RESOURCE_PROOF_MISSING,
            EventType.RESOURCE_UNVERIFIED,
        )
    },
    EventType.SUBSCRIPTION_CHANGED: [
        {"changed": {"priority": {}}},
        {"changed": {"priority": {}, "enabled": {}, "limited_to": {}}},
    ],
    EventType.ORGANIZATION_SUSPENDED: [{"reason": "They left."}],
    EventType.STAFF_ACTING_ENDED: [{"why": why} for why in ACTING_ENDS],
    EventType.ORGANIZATION_CHANGED: [
        {"changed": dict.fromkeys(SETTINGS)},
        *({"changed": {name: {}}} for name in SETTINGS),
    ],
}


@pytest.mark.parametrize("kind", list(RequestKind))
@pytest.mark.parametrize("actor", ["alice", ""])
@pytest.mark.parametrize("is_stopped", [False, True])
@pytest.mark.parametrize("type", list(EventType))
def test_every_event_reads_well_in_the_timeline_and_aloud(
    type: EventType, kind: RequestKind, actor: str, *, is_stopped: bool
) -> None:
    for data in EVENT_DATA.get(type, [{}]):
        event = wording.EventFacts(
            at=NOW,
            type=type,
            data=data,
            provider="Northgate",
            actor=actor,
            request="Shop",
            kind=kind,
            asked_at=ago(17),
            is_stopped=is_stopped,
        )
        entry, said = wording.entry(event), wording.announcement(event)
        texts = [entry.what, entry.detail] if entry else []
        texts += [said.text] if said else []
        wrong = [text for text in map(plain, filter(None, texts)) if malformed(text)]
        assert wrong == [], data
