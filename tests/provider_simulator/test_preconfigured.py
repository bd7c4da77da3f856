from __future__ import annotations

import pytest

from dots_client import INDEFINITE, MitigationStatus
from tests.provider_simulator.offline import OfflineClient, OfflineProvider, report, scope, statuses

Status = MitigationStatus
ARMED = scope("203.0.113.0/24", lifetime=INDEFINITE, trigger_mitigation=False)
LOSS_S = 30 * 15


@pytest.fixture
def acme() -> OfflineClient:
    client = OfflineProvider().client()
    client.heartbeat()
    client.request(1, ARMED)
    return client


@pytest.mark.rule("SS-045")
def test_a_preconfigured_request_is_armed_and_has_no_start(acme: OfflineClient) -> None:
    held = report(acme.get(1))

    assert held.status is Status.SIGNAL_LOSS
    assert held.mitigation_start is None
    assert held.bytes_dropped is None
    assert held.trigger_mitigation is False


@pytest.mark.rule("SS-076")
def test_a_preconfigured_request_starts_when_the_allowed_heartbeats_are_missed(
    acme: OfflineClient,
) -> None:
    acme.server.wait(LOSS_S - 1)
    assert acme.server.provider.state(now=acme.server.now)["mitigations"][0]["status"] == 8

    acme.server.wait(10)

    assert acme.status(1) is Status.MITIGATING
    assert report(acme.get(1)).mitigation_start is not None


@pytest.mark.rule("SS-075")
def test_any_traffic_from_the_client_keeps_the_session(acme: OfflineClient) -> None:
    for _ in range(5):
        acme.server.wait(LOSS_S - 1)
        acme.get(1)

    assert acme.status(1) is Status.SIGNAL_LOSS


def test_a_client_that_closes_its_session_and_does_not_return_is_lost_too(
    acme: OfflineClient,
) -> None:
    acme.server.provider.close_session(acme.number)

    acme.server.wait(LOSS_S + 10)

    held = acme.server.provider.register.find("acme", acme.cuid, 1)
    assert held is not None
    assert held.status is Status.MITIGATING


def test_a_client_that_reconnects_is_not_lost(acme: OfflineClient) -> None:
    acme.server.provider.close_session(acme.number)
    again = acme.server.client(number=2)
    for _ in range(40):
        again.heartbeat()
        acme.server.wait(30)

    assert again.status(1) is Status.SIGNAL_LOSS


@pytest.mark.rule("SS-058")
def test_a_started_request_does_not_stop_when_the_client_returns(acme: OfflineClient) -> None:
    acme.server.wait(LOSS_S + 10)

    acme.heartbeat()
    acme.server.wait(60)

    assert acme.status(1) is Status.MITIGATING


@pytest.mark.rule("SS-057")
def test_a_started_request_takes_over_from_an_immediate_one_for_part_of_its_scope(
    acme: OfflineClient,
) -> None:
    acme.request(2)

    acme.server.wait(LOSS_S + 10)

    assert acme.status(2) is Status.WITHDRAWN
    assert acme.status(1) is Status.MITIGATING


@pytest.mark.rule("SS-044")
def test_the_end_is_reported_four_times_before_the_request_is_rearmed(acme: OfflineClient) -> None:
    acme.server.wait(LOSS_S + 10)
    acme.observe(1)

    acme.server.provider.set_status(acme.cuid, 1, Status.ATTACK_STOPPED, now=acme.server.now)

    assert statuses(acme.server.wait(60)) == [Status.ATTACK_STOPPED] * 4 + [Status.SIGNAL_LOSS]


def test_an_operator_can_declare_a_client_lost(acme: OfflineClient) -> None:
    acme.server.provider.lose_signal("acme", now=acme.server.now)
    acme.server.wait(10)

    assert acme.status(1) is Status.MITIGATING


def test_no_client_is_ever_lost_without_heartbeats() -> None:
    acme = OfflineProvider().client()
    acme.request(1, ARMED)

    acme.server.wait(10 * LOSS_S)

    assert acme.status(1) is Status.SIGNAL_LOSS


def test_an_armed_request_can_be_withdrawn_and_ends_immediately(acme: OfflineClient) -> None:
    acme.withdraw(1)

    assert acme.status(1) is Status.TERMINATED
