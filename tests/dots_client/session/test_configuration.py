from __future__ import annotations

from decimal import Decimal

import pytest

from dots_client.errors import LocalProtocolError
from dots_client.model import ConfigurationSet, Parameter, SignalConfig
from dots_client.session import (
    SessionConfiguration,
    SessionParameters,
    in_force,
)
from dots_client.session.configuration import DEFAULTS, NEVER_EXPIRES


def interval(seconds: int) -> ConfigurationSet:
    return ConfigurationSet(heartbeat_interval=Parameter(current=seconds))


@pytest.mark.rule("SC-078")
def test_before_negotiation_the_defaults_of_the_rfc_are_in_force() -> None:
    configuration = SessionConfiguration()

    assert configuration.parameters(is_mitigating=False) == SessionParameters(
        heartbeat_interval_s=30,
        missing_hb_allowed=15,
        probing_rate=5,
        max_retransmit=3,
        ack_timeout_s=2.0,
        ack_random_factor=1.5,
    )


@pytest.mark.rule("SC-078")
def test_the_set_in_force_follows_mitigation_activity() -> None:
    configuration = SessionConfiguration()

    configuration.received(
        SignalConfig(mitigating=interval(15), idle=interval(240)), now=0.0, max_age_s=None
    )

    assert configuration.parameters(is_mitigating=True).heartbeat_interval_s == 15
    assert configuration.parameters(is_mitigating=False).heartbeat_interval_s == 240


@pytest.mark.rule("SC-078")
def test_parameters_that_the_server_omits_have_their_defaults() -> None:
    parameters = in_force(ConfigurationSet(ack_timeout=Parameter(current=Decimal("5.50"))))

    assert parameters.ack_timeout_s == 5.5
    assert parameters.max_retransmit == 3
    assert in_force(ConfigurationSet(max_retransmit=Parameter())) == DEFAULTS
    assert in_force(None) == DEFAULTS


@pytest.mark.rule("SC-083")
@pytest.mark.rule("SC-085")
def test_values_below_the_limits_of_the_rfcs_are_corrected() -> None:
    parameters = in_force(
        ConfigurationSet(
            heartbeat_interval=Parameter(current=1),
            missing_hb_allowed=Parameter(current=0),
            ack_timeout=Parameter(current=Decimal("0.10")),
            ack_random_factor=Parameter(current=Decimal("0.50")),
        )
    )

    assert parameters.heartbeat_interval_s == 15
    assert parameters.missing_hb_allowed == 1
    assert parameters.ack_timeout_s == 1.0
    assert parameters.ack_random_factor == 1.0


@pytest.mark.parametrize("beyond", [0, 1, 10_000])
def test_values_above_the_limits_of_the_rfcs_are_corrected(beyond: int) -> None:
    parameters = in_force(
        ConfigurationSet(
            heartbeat_interval=Parameter(current=3600 + beyond),
            missing_hb_allowed=Parameter(current=1000 + beyond),
            max_retransmit=Parameter(current=15 + beyond),
            ack_timeout=Parameter(current=Decimal("30.00") + beyond),
            ack_random_factor=Parameter(current=Decimal("4.00") + beyond),
        )
    )

    assert parameters == SessionParameters(
        heartbeat_interval_s=3600,
        missing_hb_allowed=1000,
        max_retransmit=15,
        ack_timeout_s=30.0,
        ack_random_factor=4.0,
    )


def test_heartbeats_may_be_off() -> None:
    assert in_force(interval(0)).heartbeat_interval_s == 0


@pytest.mark.rule("SC-080")
@pytest.mark.parametrize(
    ("max_age_s", "refresh_at"),
    [(3600, 2980.0), (None, 148.0), (0, None), (NEVER_EXPIRES, None)],
)
def test_the_configuration_is_read_again_before_max_age_ends(
    max_age_s: int | None, refresh_at: float | None
) -> None:
    configuration = SessionConfiguration()
    assert configuration.next_refresh(is_mitigating=False) is None

    configuration.received(SignalConfig(), now=100.0, max_age_s=max_age_s)

    assert configuration.next_refresh(is_mitigating=False) == refresh_at


@pytest.mark.rule("SC-081")
def test_the_configuration_is_not_read_again_during_an_attack_but_right_after() -> None:
    configuration = SessionConfiguration()
    configuration.received(SignalConfig(), now=0.0, max_age_s=100)

    assert configuration.next_refresh(is_mitigating=True) is None
    assert configuration.next_refresh(is_mitigating=False) == 80.0


@pytest.mark.rule("SC-075")
def test_a_sid_is_any_32_bit_number() -> None:
    configuration = SessionConfiguration()

    with pytest.raises(LocalProtocolError):
        configuration.use_sid(-1)
    for sid in (0, 1, 2**32 - 1):
        configuration.use_sid(sid)


@pytest.mark.rule("SC-075")
@pytest.mark.parametrize("sid", [5, 4, 2**32])
def test_a_sid_that_does_not_grow_or_fit_is_refused(sid: int) -> None:
    configuration = SessionConfiguration()
    configuration.use_sid(5)

    with pytest.raises(LocalProtocolError):
        configuration.use_sid(sid)
