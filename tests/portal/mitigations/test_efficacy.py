"""Efficacy updates: the provider's answer is saved and shown, and the update repeated if it asked
to wait.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.services.efficacy import MAX_TRIES
from portal.mitigations.states import NOT_SENDABLE, Efficacy
from tests.portal.mitigations.conftest import Submit

NOW = timezone.now()
BUSY: dict[str, Any] = {"code": "5.03", "reason": "cannot answer now", "retry_after_s": 60}


@pytest.fixture
def reported_mitigation(submit: Submit, alice: User) -> Mitigation:
    """A mitigation with a report, on its way to the provider, that the attack continues."""
    mitigation = submit().mitigations.get()
    services.record_sending(mitigation_id=mitigation.pk, now=NOW)
    services.record_confirmed(mitigation_id=mitigation.pk, lifetime_s=3600, asked_at=NOW, now=NOW)
    return report(mitigation, alice)


def report(mitigation: Mitigation, person: User, attack_status: str = "under-attack") -> Mitigation:
    services.report_efficacy(
        request_id=mitigation.request_id, actor=Actor.person(person), attack_status=attack_status
    )
    return again(mitigation)


def again(mitigation: Mitigation) -> Mitigation:
    return Mitigation.objects.get(pk=mitigation.pk)


def answers(
    mitigation: Mitigation,
    *,
    is_accepted: bool = False,
    now: datetime = NOW,
    asked_at: datetime | None = None,
    **answer: Any,
) -> Mitigation:
    asked_at = asked_at or mitigation.efficacy_asked_at
    assert asked_at is not None
    services.record_efficacy_answered(
        mitigation_id=mitigation.pk, asked_at=asked_at, is_accepted=is_accepted, now=now, **answer
    )
    return again(mitigation)


def last_event() -> dict[str, Any]:
    event = Event.objects.filter(type="mitigation.efficacy").order_by("seq").last()
    assert event is not None
    return dict(event.data)


def test_a_report_waits_for_its_answer(reported_mitigation: Mitigation) -> None:
    assert (reported_mitigation.attack_status, reported_mitigation.efficacy_state) == (
        "under-attack",
        Efficacy.WAITING,
    )


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"is_accepted": True}, Efficacy.ACCEPTED),
        ({"code": "4.00", "reason": "no attack here"}, Efficacy.REFUSED),
        ({}, Efficacy.UNANSWERED),
        ({"code": NOT_SENDABLE}, Efficacy.NOT_SENDABLE),
    ],
)
def test_a_final_answer_is_saved_with_its_code_and_reason(
    reported_mitigation: Mitigation, answer: dict[str, Any], state: Efficacy
) -> None:
    reported_mitigation = answers(reported_mitigation, **answer)

    assert reported_mitigation.efficacy_state == state
    assert reported_mitigation.efficacy_answered_at == reported_mitigation.efficacy_asked_at
    kept = reported_mitigation.efficacy_code, reported_mitigation.efficacy_reason
    assert kept == (answer.get("code", ""), answer.get("reason", ""))
    assert last_event()["accepted"] is (state == Efficacy.ACCEPTED)
    assert last_event().get("code", "") == answer.get("code", "")


def test_the_report_is_repeated_when_the_provider_asks_to_wait(
    reported_mitigation: Mitigation,
) -> None:
    reported_mitigation = answers(reported_mitigation, **BUSY)

    retry_at = NOW + timedelta(seconds=60)
    assert (reported_mitigation.efficacy_state, reported_mitigation.efficacy_retry_at) == (
        Efficacy.PUT_OFF,
        retry_at,
    )
    assert (reported_mitigation.efficacy_code, reported_mitigation.efficacy_reason) == (
        "5.03",
        "cannot answer now",
    )
    assert last_event()["retry_at"] == retry_at.isoformat()

    reported_mitigation = answers(reported_mitigation, is_accepted=True, now=retry_at)
    assert (reported_mitigation.efficacy_state, reported_mitigation.efficacy_retry_at) == (
        Efficacy.ACCEPTED,
        None,
    )
    assert reported_mitigation.efficacy_code == ""


def test_a_provider_that_keeps_asking_to_wait_has_refused(reported_mitigation: Mitigation) -> None:
    for _ in range(MAX_TRIES - 1):
        reported_mitigation = answers(reported_mitigation, **BUSY)
        assert reported_mitigation.efficacy_state == Efficacy.PUT_OFF

    reported_mitigation = answers(reported_mitigation, **BUSY)

    assert (reported_mitigation.efficacy_state, reported_mitigation.efficacy_retry_at) == (
        Efficacy.REFUSED,
        None,
    )
    assert reported_mitigation.efficacy_code == "5.03"
    assert "retry_at" not in last_event()


def test_a_newer_report_replaces_a_waiting_one(
    reported_mitigation: Mitigation, alice: User
) -> None:
    waiting = answers(reported_mitigation, **BUSY)
    first_asked_at = waiting.efficacy_asked_at

    newer = report(waiting, alice, "attack-successfully-mitigated")

    assert (newer.attack_status, newer.efficacy_state) == (
        "attack-successfully-mitigated",
        Efficacy.WAITING,
    )
    assert (newer.efficacy_retry_at, newer.efficacy_tries, newer.efficacy_code) == (None, 0, "")
    # The answer to the older one arrives late.
    late = answers(newer, asked_at=first_asked_at, is_accepted=True)
    assert late.efficacy_state == Efficacy.WAITING
    assert last_event()["accepted"] is True


def test_an_ended_mitigation_gets_no_report(reported_mitigation: Mitigation) -> None:
    Mitigation.objects.filter(pk=reported_mitigation.pk).update(status="terminated")

    assert answers(reported_mitigation, **BUSY).efficacy_retry_at is None
    assert last_event()["answered"] is False
