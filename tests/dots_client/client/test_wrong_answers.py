"""An authenticated server that sends wrong codes, senseless numbers and invalid text."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dots_client import (
    Client,
    ConfigurationSet,
    DotsError,
    Parameter,
    ServerUnavailable,
    SignalConfig,
    UnexpectedAnswer,
)
from dots_client.client.request_layer import _transmit_wait_s
from dots_client.codec.keys import UINT32
from dots_client.session import SessionConfiguration, in_force
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import SCOPE
from tests.dots_client.interop.replay import ACK, BODY, CONTENT, NON, replaying, reply
from tests.dots_client.transport.loopback import until

REDIRECT = bytes.fromhex("a1182ea1182f6b616c742e6578616d706c65")
CONFIG_90 = bytes.fromhex("a1181ea1182ca11821a11824185a")
LONG_MAX_AGE = b"\xdd\x01\x73" + b"\xff" * 128
"""Max-Age of 128 bytes, as the first option."""


async def put(client: Client) -> object:
    return await client.request(1, SCOPE)


async def delete(client: Client) -> object:
    await client.withdraw(1)
    return None


async def get(client: Client) -> object:
    return await client.status(1)


@pytest.mark.parametrize(
    ("ask", "code", "words"),
    [
        (put, 0x5F, "2.31"),
        (put, 0x42, "2.02"),
        (put, 0x43, "2.03"),
        (delete, 0x5F, "2.31"),
        (delete, 0x41, "2.01"),
        (delete, 0x43, "2.03"),
        (get, 0x5F, "2.31"),
        (put, 0x60, "3.00"),
    ],
)
async def test_a_success_code_that_does_not_fit_is_not_a_success(
    authority: Authority, ask: Callable[[Client], Awaitable[object]], code: int, words: str
) -> None:
    async with replaying(authority) as server:
        with pytest.raises(UnexpectedAnswer, match=f"with code {words}") as raised:
            await server.result_of(ask, NON, code, b"")

    assert raised.value.code == words


@pytest.mark.parametrize(
    ("ask", "code"), [(put, 0x45), (put, 0x5E), (delete, 0x44), (delete, 0x45)]
)
async def test_other_success_codes_of_deployed_servers_are_accepted(
    authority: Authority, ask: Callable[[Client], Awaitable[object]], code: int
) -> None:
    async with replaying(authority) as server:
        await server.result_of(ask, NON, code, b"")


async def test_a_max_age_of_any_length_does_not_end_the_session(
    authority: Authority,
) -> None:
    async with replaying(authority) as server:
        for length in (1, 4, 5, 127, 128, 1000):
            head = (
                bytes([0xD0 | length]) + b"\x01"
                if length < 13
                else b"\xdd\x01" + bytes([length - 13])
                if length < 269
                else b"\xde\x01" + (length - 269).to_bytes(2, "big")
            )
            asking = asyncio.ensure_future(server.client.configuration())
            request = await server.received(len(server.requests) + 1)
            reply(request, ACK, CONTENT, head + b"\xff" * length + BODY + CONFIG_90)
            known = await asyncio.wait_for(asking, 5)

            assert known.idle is not None
        await server.client.heartbeat()


async def test_a_redirection_with_an_invalid_max_age_has_an_outcome(
    authority: Authority,
) -> None:
    async with replaying(authority) as server:
        with pytest.raises(ServerUnavailable) as raised:
            await server.result_of(put, NON, 0xA3, LONG_MAX_AGE + BODY + REDIRECT)

    assert raised.value.retry_after_s == 60


async def test_an_answer_with_an_unknown_critical_option_is_ignored(
    authority: Authority,
) -> None:
    async with replaying(authority) as server:
        asking = asyncio.ensure_future(put(server.client))
        request = await server.received(1)
        reply(request, NON, 0x41, b"\xe0\x06\xf8")
        await until(lambda: any(record.not_read for record in server.scene.wire))
        assert not asking.done()
        reply(request, NON, 0x41, b"")

        await asyncio.wait_for(asking, 5)


numbers = st.integers(0, 65535) | st.sampled_from([0, 1, 65535])
decimals = st.decimals(-(10**16), 10**16, places=2, allow_nan=False, allow_infinity=False)


def parameters(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Parameter | None]:
    return st.none() | st.builds(Parameter, current=st.none() | values)


sets = st.builds(
    ConfigurationSet,
    heartbeat_interval=parameters(numbers),
    missing_hb_allowed=parameters(numbers),
    probing_rate=parameters(numbers),
    max_retransmit=parameters(numbers),
    ack_timeout=parameters(decimals),
    ack_random_factor=parameters(decimals),
)


@given(sets, st.none() | st.integers(0, UINT32) | st.just(256**128))
def test_every_configuration_of_a_server_becomes_usable(
    reported: ConfigurationSet, max_age_s: int | None
) -> None:
    force = in_force(reported)
    known = SessionConfiguration()
    known.received(SignalConfig(idle=reported), now=1.0, max_age_s=max_age_s)

    assert force.heartbeat_interval_s == 0 or 15 <= force.heartbeat_interval_s <= 3600
    assert 1 <= force.missing_hb_allowed <= 1000
    assert 0 <= force.max_retransmit <= 15
    assert 1 <= force.ack_timeout_s <= 30
    assert 1 <= force.ack_random_factor <= 4
    assert _transmit_wait_s(force) < 10**8
    refresh = known.next_refresh(is_mitigating=False)
    assert refresh is None or refresh <= 1.0 + UINT32


NUL = "a\0b\n\u202ec"


@pytest.mark.parametrize("code", [0x80, 0x89, 0x9D, 0xA0, 0xA3, 0xA8])
async def test_a_servers_text_is_printable_in_every_error(authority: Authority, code: int) -> None:
    async with replaying(authority) as server:
        with pytest.raises(DotsError) as raised:
            await server.result_of(put, NON, code, BODY + NUL.encode())

    assert str(raised.value).isprintable()
    assert ("a, b, c" if code == 0xA8 else "a b c") in str(raised.value)


def test_the_defaults_are_inside_the_limits() -> None:
    assert in_force(None) == in_force(
        ConfigurationSet(
            heartbeat_interval=Parameter(current=30),
            missing_hb_allowed=Parameter(current=15),
            probing_rate=Parameter(current=5),
            max_retransmit=Parameter(current=3),
            ack_timeout=Parameter(current=Decimal("2.00")),
            ack_random_factor=Parameter(current=Decimal("1.50")),
        )
    )
