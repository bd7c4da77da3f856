from __future__ import annotations

import pytest

from dots_client import ClientSettings, LocalProtocolError, Server


@pytest.mark.rule("SC-001")
@pytest.mark.rule("SC-002")
def test_the_host_of_a_server_defaults_to_its_name() -> None:
    assert Server("dots.example").host == "dots.example"
    assert Server("dots.example", "192.0.2.1").host == "192.0.2.1"
    assert Server("dots.example").port == 4646


@pytest.mark.parametrize(
    "settings",
    [
        {"handshake_timeout_s": 0},
        {"attack_handshake_timeout_s": 301},
        {"attempt_delay_s": 0},
        {"attack_attempt_delay_s": 11},
        {"handshake_repeat_s": 0},
        {"attack_handshake_repeat_s": 61},
        {"max_handshakes": 33},
        {"attack_max_handshakes": 0},
        {"udp_probe_s": 299},
        {"path_mtu": 500},
        {"heartbeat_interval_s": -1},
        {"missing_hb_allowed": 0},
        {"heartbeat_wait_s": 100},
        {"poll_interval_s": 0},
        {"eager_poll_interval_s": 4000},
    ],
)
def test_settings_have_ranges(settings: dict[str, float]) -> None:
    with pytest.raises(LocalProtocolError, match=f"{next(iter(settings))} must be between"):
        ClientSettings(**settings)  # type: ignore[arg-type]  # one of several types


@pytest.mark.parametrize("size", [0, 128, 300, 2048])
def test_a_block_has_one_of_three_sizes(size: int) -> None:
    with pytest.raises(LocalProtocolError, match=f"one of 256, 512, 1024, not {size}"):
        ClientSettings(block_bytes=size)
