from __future__ import annotations

import pytest

from dots_client import INDEFINITE, MitigationStatus
from tests.provider_simulator.desk import Desk, DeskClient, report, scope, statuses

Status = MitigationStatus
ARMED = scope("203.0.113.0/24", lifetime=INDEFINITE, trigger_mitigation=False)
LOSS_S = 30 * 15


@pytest.fixture
def acme() -> DeskClient:
    client = Desk().client()
    client.heartbeat()
    client.ask(1, ARMED)
    return client


@pytest.mark.rule("SS-045")
def test_a_preconfigured_request_is_armed_and_has_no_start(acme: DeskClient) -> None:
    held = report(acme.get(1))

    assert held.status is Status.SIGNAL_LOSS
    assert held.mitigation_start is None
    assert held.bytes_dropped is None
    assert held.trigger_mitigation is False


@pytest.mark.rule("SS-076")
def test_it_starts_when_no_message_came_for_the_time_of_the_allowed_heartbeats(
    acme: DeskClient,
) -> None:
    acme.desk.wait(LOSS_S - 1)
    assert acme.desk.provider.state(now=acme.desk.now)["mitigations"][0]["status"] == 8

    acme.desk.wait(10)

    assert acme.status(1) is Status.MITIGATING
    assert report(acme.get(1)).mitigation_start is not None


@pytest.mark.rule("SS-075")
def test_any_traffic_from_the_client_keeps_the_session(acme: DeskClient) -> None:
    for _ in range(5):
        acme.desk.wait(LOSS_S - 1)
        acme.get(1)

    assert acme.status(1) is Status.SIGNAL_LOSS


def test_a_client_that_closes_its_session_and_stays_away_is_lost_too(acme: DeskClient) -> None:
    acme.desk.provider.close_session(acme.number)

    acme.desk.wait(LOSS_S + 10)

    held = acme.desk.provider.register.find("acme", acme.cuid, 1)
    assert held is not None
    assert held.status is Status.MITIGATING


def test_a_client_that_reconnects_is_not_lost(acme: DeskClient) -> None:
    acme.desk.provider.close_session(acme.number)
    again = acme.desk.client(number=2)
    for _ in range(40):
        again.heartbeat()
        acme.desk.wait(30)

    assert again.status(1) is Status.SIGNAL_LOSS


@pytest.mark.rule("SS-058")
def test_it_does_not_stop_because_the_client_is_back(acme: DeskClient) -> None:
    acme.desk.wait(LOSS_S + 10)

    acme.heartbeat()
    acme.desk.wait(60)

    assert acme.status(1) is Status.MITIGATING


@pytest.mark.rule("SS-057")
def test_it_takes_over_from_an_immediate_request_for_part_of_its_scope(acme: DeskClient) -> None:
    acme.ask(2)

    acme.desk.wait(LOSS_S + 10)

    assert acme.status(2) is Status.WITHDRAWN
    assert acme.status(1) is Status.MITIGATING


@pytest.mark.rule("SS-044")
def test_its_end_is_reported_four_times_before_it_is_armed_again(acme: DeskClient) -> None:
    acme.desk.wait(LOSS_S + 10)
    acme.observe(1)

    acme.desk.provider.set_status(acme.cuid, 1, Status.ATTACK_STOPPED, now=acme.desk.now)

    assert statuses(acme.desk.wait(60)) == [Status.ATTACK_STOPPED] * 4 + [Status.SIGNAL_LOSS]


def test_an_operator_can_declare_a_client_lost(acme: DeskClient) -> None:
    acme.desk.provider.lose_signal("acme", now=acme.desk.now)
    acme.desk.wait(10)

    assert acme.status(1) is Status.MITIGATING


def test_without_heartbeats_nothing_is_ever_lost() -> None:
    acme = Desk().client()
    acme.ask(1, ARMED)

    acme.desk.wait(10 * LOSS_S)

    assert acme.status(1) is Status.SIGNAL_LOSS


def test_an_armed_request_can_be_withdrawn_and_ends_at_once(acme: DeskClient) -> None:
    acme.withdraw(1)

    assert acme.status(1) is Status.TERMINATED
