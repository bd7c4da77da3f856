from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import aiocoap
import pytest
from aiocoap import Code

from dots_client import (
    ConfigurationSet,
    EncodeError,
    LocalProtocolError,
    NoAnswer,
    Parameter,
    Refused,
    RemoteProtocolError,
    SessionClosed,
    SignalConfig,
)
from dots_client.codec import decode_config_request, encode_config_report
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import (
    CONFIG,
    REPEATING,
    SETTINGS,
    Scene,
    answer,
    in_session,
    silence,
)
from tests.dots_client.transport.loopback import until

READING = replace(SETTINGS, reads_configuration=True)


def paths(scene: Scene) -> list[str]:
    return ["/".join(request.opt.uri_path[2:]) for request in scene.provider.requests]


@pytest.mark.rule("SC-021")
@pytest.mark.rule("SC-074")
async def test_the_configuration_is_read_after_connecting(authority: Authority) -> None:
    async with in_session(authority, READING) as scene:
        await until(lambda: len(scene.provider.requests) == 1)

        (request,) = scene.provider.requests
        assert request.mtype is aiocoap.CON
        assert paths(scene) == ["config"]


@pytest.mark.rule("SC-078")
async def test_the_set_in_force_follows_the_mitigation(authority: Authority) -> None:
    async with in_session(authority, READING) as scene:
        await until(lambda: scene.client._parameters().heartbeat_interval_s == 60)

        scene.client.mitigating = True

        assert scene.client._parameters().heartbeat_interval_s == 15


@pytest.mark.rule("SC-080")
async def test_the_configuration_is_read_again_by_sid_before_max_age_ends(
    authority: Authority,
) -> None:
    soon = answer(Code.CONTENT, encode_config_report(CONFIG), content_format=271, max_age=1)
    async with in_session(authority, READING) as scene:
        scene.provider.config_script.append(soon)

        await until(lambda: len(scene.provider.requests) == 2)

        assert paths(scene) == ["config", "config/sid=7"]


@pytest.mark.rule("SC-081")
async def test_the_configuration_is_not_read_while_an_attack_is_active(
    authority: Authority,
) -> None:
    soon = answer(Code.CONTENT, encode_config_report(CONFIG), content_format=271, max_age=1)
    async with in_session(authority, READING) as scene:
        scene.provider.config_script.append(soon)
        await until(lambda: len(scene.provider.requests) == 1)
        scene.client.mitigating = True

        await asyncio.sleep(1)
        assert len(scene.provider.requests) == 1

        scene.client.mitigating = False
        await until(lambda: len(scene.provider.requests) == 2)


@pytest.mark.parametrize(
    "respond",
    [
        answer(Code.NOT_FOUND, b"no configuration here"),
        answer(Code.INTERNAL_SERVER_ERROR),
        answer(Code.CONTENT, b"nonsense"),
    ],
)
async def test_a_server_without_a_configuration_gets_the_defaults(
    authority: Authority, respond: Callable[[aiocoap.Message], aiocoap.Message | None]
) -> None:
    async with in_session(authority, READING) as scene:
        scene.provider.config_script.append(respond)
        await until(lambda: len(scene.provider.requests) == 1)

        assert await scene.client.heartbeat() is True
        assert scene.client._parameters().heartbeat_interval_s == 30


@pytest.mark.rule("SC-074")
async def test_the_limits_can_be_read(authority: Authority) -> None:
    async with in_session(authority) as scene:
        config = await scene.client.configuration()

        assert config == CONFIG


@pytest.mark.rule("SC-075")
@pytest.mark.rule("SC-076")
async def test_the_configuration_can_be_changed(authority: Authority) -> None:
    wanted = SignalConfig(
        idle=ConfigurationSet(
            heartbeat_interval=Parameter(current=45), ack_timeout=Parameter(current=Decimal("2.50"))
        )
    )
    async with in_session(authority) as scene:
        await scene.client.configure(wanted, 3)

        (request,) = scene.provider.requests
        assert paths(scene) == ["config/sid=3"]
        assert request.mtype is aiocoap.CON
        assert decode_config_request(request.payload) == wanted
        assert scene.client._parameters().heartbeat_interval_s == 45
        with pytest.raises(LocalProtocolError, match="sid 3 is not above 3"):
            await scene.client.configure(wanted, 3)


@pytest.mark.rule("SC-079")
async def test_values_outside_the_limits_are_refused(authority: Authority) -> None:
    wanted = SignalConfig(idle=ConfigurationSet(heartbeat_interval=Parameter(current=900)))
    async with in_session(authority) as scene:
        scene.provider.config_script.append(answer(Code.UNPROCESSABLE_ENTITY, b"at most 240"))

        with pytest.raises(Refused, match=r"4\.22 at most 240"):
            await scene.client.configure(wanted, 1)

        assert scene.client._parameters().heartbeat_interval_s == 30


@pytest.mark.rule("SC-077")
async def test_an_empty_change_is_not_sent(authority: Authority) -> None:
    async with in_session(authority) as scene:
        with pytest.raises(EncodeError):
            await scene.client.configure(SignalConfig(), 1)

        assert scene.provider.requests == []


async def test_a_sid_the_server_no_longer_knows_is_not_used_again(authority: Authority) -> None:
    async with in_session(authority) as scene:
        await scene.client.configuration()
        scene.provider.config_script.append(answer(Code.NOT_FOUND))

        with pytest.raises(Refused):
            await scene.client.configuration()
        await scene.client.configuration()

        assert paths(scene) == ["config", "config/sid=7", "config"]


async def test_an_unreadable_body_is_an_error_of_the_server(authority: Authority) -> None:
    async with in_session(authority) as scene:
        scene.provider.config_script.append(answer(Code.CONTENT, b"\xff"))

        with pytest.raises(RemoteProtocolError, match="the configuration cannot be read"):
            await scene.client.configuration()


async def test_a_request_without_an_acknowledgement_fails_alone(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with in_session(authority, REPEATING) as scene:
        monkeypatch.setattr(scene.client._configuration, "_parameters", lambda: quick(scene))
        scene.provider.script.extend([silence] * 200)
        waiting = asyncio.create_task(scene.client.status(1))
        scene.server.drop_outgoing = lambda _datagram, _address: True

        with pytest.raises(NoAnswer):
            await scene.client.configuration()

        assert not waiting.done()
        scene.server.drop_outgoing = None
        scene.provider.script.clear()
        with pytest.raises(Refused, match=r"4\.04"):
            await waiting


def quick(scene: Scene) -> object:
    return replace(scene.client._parameters(), ack_timeout_s=0.02, max_retransmit=1)


async def test_reading_ends_with_the_session(authority: Authority) -> None:
    async with in_session(authority) as scene:
        await scene.client.close()

        with pytest.raises(SessionClosed):
            await scene.client.configuration()
