from __future__ import annotations

from decimal import Decimal

import pytest

from dots_client import ConfigurationSet, Parameter, SignalConfig
from dots_client.server import decode_config, encode_config
from dots_server.configuration import LIMITS, MAX_AGE_S
from tests.provider_simulator.offline import OfflineClient, OfflineProvider


def wanted(interval: int = 60) -> bytes:
    values = ConfigurationSet(
        heartbeat_interval=Parameter(current=interval),
        ack_timeout=Parameter(current=Decimal("3.00")),
    )
    return encode_config(SignalConfig(mitigating=values))


@pytest.fixture
def acme() -> OfflineClient:
    return OfflineProvider().client()


@pytest.mark.rule("SS-068")
def test_the_limits_and_the_defaults_can_be_read(acme: OfflineClient) -> None:
    response = acme.config("GET")

    assert (response.code, response.max_age) == ("2.05", 3600)
    assert decode_config(response.payload) == SignalConfig(mitigating=LIMITS, idle=LIMITS)


@pytest.mark.rule("SS-065")
def test_a_new_sid_is_created_and_a_known_one_changed(acme: OfflineClient) -> None:
    assert acme.config("PUT", 7, payload=wanted()).code == "2.01"
    assert acme.config("PUT", 7, payload=wanted(90)).code == "2.04"

    held = decode_config(acme.config("GET", 7).payload)

    assert held.mitigating is not None
    assert held.mitigating.heartbeat_interval == Parameter(current=90, minimum=15, maximum=240)
    assert held.idle == LIMITS


@pytest.mark.rule("SS-067")
def test_a_higher_sid_replaces_the_lower(acme: OfflineClient) -> None:
    acme.config("PUT", 7, payload=wanted())

    assert acme.config("PUT", 8, payload=wanted()).code == "2.01"

    assert acme.config("GET", 7).code == "4.04"
    assert acme.config("GET", 8).code == "2.05"


@pytest.mark.rule("SS-072")
def test_a_lower_sid_is_refused(acme: OfflineClient) -> None:
    acme.config("PUT", 7, payload=wanted())

    assert acme.config("PUT", 6, payload=wanted()).code == "4.00"


@pytest.mark.rule("SS-066")
@pytest.mark.parametrize("interval", [15, 240, 0])
def test_values_within_the_limits_are_accepted(acme: OfflineClient, interval: int) -> None:
    assert acme.config("PUT", 1, payload=wanted(interval)).code == "2.01"


@pytest.mark.rule("SS-066")
def test_a_value_outside_the_limits_is_refused_with_the_limits(acme: OfflineClient) -> None:
    response = acme.config("PUT", 1, payload=wanted(241))

    assert response.code == "4.22"
    assert response.payload == b"heartbeat-interval must be between 15 and 240"


@pytest.mark.rule("SS-064")
def test_a_put_needs_a_sid_and_a_valid_body(acme: OfflineClient) -> None:
    assert acme.config("PUT", payload=wanted()).code == "4.00"
    assert acme.config("PUT", 1, payload=b"\xa1\x18\x1e\xa0").code == "4.00"


@pytest.mark.rule("SS-070")
def test_a_delete_restores_the_defaults(acme: OfflineClient) -> None:
    acme.config("PUT", 7, payload=wanted())

    assert acme.config("DELETE", 7).code == "2.02"

    assert decode_config(acme.config("GET").payload).mitigating == LIMITS
    assert acme.config("GET", 7).code == "4.04"


@pytest.mark.rule("SS-071")
def test_an_observer_of_the_configuration_is_notified_of_changes_only(acme: OfflineClient) -> None:
    acme.config("GET", observe=0, token=b"c")
    assert acme.server.wait(60) == []

    acme.config("PUT", 7, payload=wanted())
    acme.config("PUT", 7, payload=wanted())
    [notification] = acme.server.wait(60)

    assert notification.token == b"c"
    assert decode_config(notification.response.payload).mitigating is not None
    assert notification.response.observe is not None


def test_the_configuration_belongs_to_the_session(acme: OfflineClient) -> None:
    acme.config("PUT", 7, payload=wanted())

    assert acme.server.client(number=2).config("GET", 7).code == "4.04"


@pytest.mark.rule("SS-069")
def test_an_expired_max_age_of_the_configuration_ends_no_session(acme: OfflineClient) -> None:
    acme.request(1)
    acme.config("GET")

    for _ in range(2 * MAX_AGE_S // 60):
        acme.server.wait(60)
        acme.heartbeat()

    assert acme.config("GET").code == "2.05"
