"""Configurations, heartbeats and redirections: messages about the session itself."""

from __future__ import annotations

from decimal import Decimal

import cbor2
import pytest

from dots_client.codec import (
    decode_config,
    decode_config_request,
    decode_heartbeat,
    decode_redirect,
    encode_config,
    encode_config_report,
    encode_heartbeat,
    encode_redirect,
)
from dots_client.errors import DecodeError, EncodeError
from dots_client.model import (
    ConfigurationSet,
    Heartbeat,
    Parameter,
    RedirectedSignal,
    SignalConfig,
)

HEARTBEAT_30 = ConfigurationSet(heartbeat_interval=Parameter(current=30))


@pytest.mark.rule("SC-077")
@pytest.mark.rule("SC-085")
@pytest.mark.parametrize(
    "config",
    [
        SignalConfig(),
        SignalConfig(idle=ConfigurationSet()),
        SignalConfig(idle=ConfigurationSet(probing_rate=Parameter())),
        SignalConfig(idle=ConfigurationSet(heartbeat_interval=Parameter(current=14))),
        SignalConfig(idle=ConfigurationSet(max_retransmit=Parameter(current=3, maximum=9))),
        SignalConfig(idle=HEARTBEAT_30, sid=4),
        SignalConfig(idle=ConfigurationSet(ack_timeout=Parameter(current=Decimal("1.001")))),
    ],
)
def test_a_forbidden_configuration_is_not_encoded(config: SignalConfig) -> None:
    with pytest.raises(EncodeError):
        encode_config(config)


@pytest.mark.parametrize("interval", [0, 15, 240])
def test_a_configuration_survives_encoding(interval: int) -> None:
    config = SignalConfig(
        mitigating=ConfigurationSet(
            heartbeat_interval=Parameter(current=interval),
            ack_random_factor=Parameter(current=Decimal("1.50")),
        ),
        idle=ConfigurationSet(probing_rate=Parameter(current=5)),
    )

    assert decode_config_request(encode_config(config)) == config


def test_the_configuration_a_server_reports_survives_encoding() -> None:
    config = SignalConfig(
        idle=ConfigurationSet(
            heartbeat_interval=Parameter(current=30, minimum=15, maximum=240),
            ack_timeout=Parameter(minimum=Decimal("1.00"), maximum=Decimal("30.00")),
        ),
        sid=7,
    )

    assert decode_config(encode_config_report(config)) == config


def test_limits_swapped_by_a_server_are_corrected() -> None:
    swapped = cbor2.dumps({30: {44: {33: {34: 15, 35: 240, 36: 30}}}})

    assert decode_config(swapped).idle == ConfigurationSet(
        heartbeat_interval=Parameter(current=30, minimum=15, maximum=240)
    )


def test_a_configuration_request_without_values_is_refused() -> None:
    with pytest.raises(DecodeError, match="no current value"):
        decode_config_request(cbor2.dumps({30: {32: {33: {}}}}))


@pytest.mark.rule("SC-088")
@pytest.mark.parametrize(("status", "body"), [(True, "a11831a11833f5"), (False, "a11831a11833f4")])
def test_a_heartbeat_is_seven_bytes(status: bool, body: str) -> None:
    heartbeat = Heartbeat(peer_hb_status=status)

    assert encode_heartbeat(heartbeat).hex() == body
    assert decode_heartbeat(bytes.fromhex(body)) == heartbeat


def test_a_redirection_survives_encoding() -> None:
    for redirect in (
        RedirectedSignal(alt_server="alt.example", alt_server_record=("2001:db8::1",)),
        RedirectedSignal(alt_server="alt.example"),
        RedirectedSignal(alt_server="alt.example."),
        RedirectedSignal(alt_server="192.0.2.1", alt_server_record=("192.0.2.1", "192.0.2.2")),
        RedirectedSignal(alt_server="2001:db8::1"),
    ):
        assert decode_redirect(encode_redirect(redirect)) == redirect


@pytest.mark.parametrize("data", [b"", cbor2.dumps({46: {}}), cbor2.dumps({46: {47: ""}})])
def test_a_5_03_without_an_alternate_server_is_not_a_redirection(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_redirect(data)


@pytest.mark.parametrize(
    "name",
    [
        "a\0b",
        "a b.example",
        "alt.example:4646",
        "[2001:db8::1]",
        "fe80::1%eth0",
        "coaps://alt.example",
        "alt\u202e.example",
        "münchen.example",
        "a..b",
        ".",
        "x" * 300,
        "a" * 64 + ".example",
    ],
)
def test_a_redirection_needs_a_name_or_an_address(name: str) -> None:
    with pytest.raises(DecodeError, match="not a domain name"):
        decode_redirect(cbor2.dumps({46: {47: name, 48: ["192.0.2.1"]}}))


def test_records_of_an_alternate_server_without_an_address_are_left_out() -> None:
    records = ["192.0.2.1", "", 7, None, "192.0.2.256", "fe80::1%eth0", "a\0b", "2001:db8::1"]

    redirect = decode_redirect(cbor2.dumps({46: {47: "alt.example", 48: records}}))

    assert redirect.alt_server_record == ("192.0.2.1", "2001:db8::1")


@pytest.mark.rule("SC-084")
@pytest.mark.parametrize(("interval", "rate"), [(15, 2), (None, 1), (240, 0)])
def test_a_probing_rate_too_low_for_heartbeats_is_refused(interval: int | None, rate: int) -> None:
    wanted = ConfigurationSet(
        heartbeat_interval=None if interval is None else Parameter(current=interval),
        probing_rate=Parameter(current=rate),
    )

    with pytest.raises(EncodeError, match=r"idle-config\.probing-rate: does not let"):
        encode_config(SignalConfig(idle=wanted))


@pytest.mark.rule("SC-084")
def test_the_default_probing_rate_and_no_heartbeats_at_all_are_fine() -> None:
    for wanted in (
        ConfigurationSet(probing_rate=Parameter(current=5)),
        ConfigurationSet(
            heartbeat_interval=Parameter(current=0), probing_rate=Parameter(current=1)
        ),
    ):
        assert encode_config(SignalConfig(mitigating=wanted))
