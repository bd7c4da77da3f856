from __future__ import annotations

import pytest

from dots_client import MitigationStatus
from dots_client.server import decode_mitigations
from dots_server.messages import Notification
from tests.provider_simulator.offline import OfflineClient, OfflineProvider, report, scope

Status = MitigationStatus


@pytest.fixture
def acme() -> OfflineClient:
    client = OfflineProvider(notify_interval_s=2).client()
    client.heartbeat()
    client.server.provider.heartbeat_answered(1, now=client.server.now, rtt_s=0.02)
    client.request(1)
    return client


def sequence(notifications: list[Notification]) -> list[int | None]:
    return [notification.response.observe for notification in notifications]


@pytest.mark.rule("SS-040")
def test_an_observer_gets_periodic_notifications_with_growing_counters(acme: OfflineClient) -> None:
    first = acme.observe(1)
    sent = acme.server.wait(20)

    numbers = [first.observe, *sequence(sent)]
    assert numbers == sorted(numbers, key=lambda number: number or 0)
    assert len(set(numbers)) == len(numbers)
    assert 9 <= len(sent) <= 12
    assert {notification.token for notification in sent} == {b"t"}


@pytest.mark.rule("SS-018")
def test_notifications_are_three_seconds_apart_without_a_round_trip_estimate() -> None:
    acme = OfflineProvider(notify_interval_s=0.5).client()
    acme.request(1)
    acme.request(2, scope("203.0.113.8/32"))
    acme.observe(1, token=b"a")
    acme.observe(2, token=b"b")

    assert len(acme.server.wait(30)) <= 11


def test_a_status_set_manually_is_notified_immediately(acme: OfflineClient) -> None:
    acme.observe(1)
    acme.server.wait(5)

    acme.server.provider.set_status(acme.cuid, 1, Status.EXCEEDED_CAPABILITY, now=acme.server.now)
    acme.server.now += 0.02
    [notification] = acme.server.provider.advance(now=acme.server.now)

    assert report(notification.response).status is Status.EXCEEDED_CAPABILITY


@pytest.mark.rule("SS-043")
def test_observe_1_with_the_same_token_ends_the_observation(acme: OfflineClient) -> None:
    acme.observe(1)

    last = acme.get(1, observe=1, token=b"t")

    assert (last.code, last.observe) == ("2.05", None)
    assert acme.server.wait(20) == []
    assert len(acme.server.provider.observers) == 0


def test_an_observer_of_the_cuid_is_notified_of_each_change_and_of_the_end(
    acme: OfflineClient,
) -> None:
    acme.server.behave(terminating_s=1)
    acme.config("GET", observe=0, token=b"c")
    acme.request(2, scope("203.0.113.8/32"))
    acme.observe()
    sent = acme.server.wait(3)
    assert len(decode_mitigations(sent[-1].response.payload)) == 2

    acme.withdraw(1)
    acme.withdraw(2)
    sent = acme.server.wait(20)

    assert sent[-1].response.code == "4.04"
    assert sent[-1].is_last


def test_an_unknown_mitigation_cannot_be_observed(acme: OfflineClient) -> None:
    refused = acme.observe(9)

    assert (refused.code, refused.observe) == ("4.04", None)
    assert len(acme.server.provider.observers) == 0


def test_a_provider_that_does_not_notify_registers_no_observer(acme: OfflineClient) -> None:
    acme.observe(1)
    acme.server.behave(notify=False)

    assert acme.observe(1, token=b"u").observe is None
    assert acme.server.wait(20) == []


def test_observations_end_with_their_session(acme: OfflineClient) -> None:
    acme.observe(1)
    acme.server.client(number=2).observe(1)

    acme.server.provider.close_session(1)

    assert {notification.session for notification in acme.server.wait(10)} == {2}


def test_another_clients_observer_is_not_notified(acme: OfflineClient) -> None:
    globex = acme.server.client("globex", cuid="other", number=2)
    globex.request(1, scope("198.51.100.1/32"))
    acme.observe(1)

    assert {sent.session for sent in acme.server.wait(10)} == {1}


def test_forgetting_notifies_the_observers_and_a_crash_does_not(acme: OfflineClient) -> None:
    acme.observe(1)
    acme.server.wait(1)

    acme.server.provider.forget_mitigations()
    [notification] = acme.server.wait(10)

    assert notification.response.code == "4.04"
    acme.request(1)
    acme.observe(1)
    acme.server.provider.forget_everything()
    assert acme.server.wait(10) == []
    assert acme.server.provider.state(now=acme.server.now)["mitigations"] == []
