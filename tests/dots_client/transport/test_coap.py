from __future__ import annotations

import asyncio
import importlib.metadata
import inspect

import aiocoap
import pytest
from aiocoap.messagemanager import MessageManager
from aiocoap.pipe import Pipe
from aiocoap.tokenmanager import TokenManager
from aiocoap.transports import tcp
from aiocoap.transports.rfc8323common import RFC8323Remote

from dots_client.transport.coap import TOKEN_BYTES, CoapEndpoint, message_bytes
from tests.dots_client.authority import Authority
from tests.dots_client.transport.loopback import WhoAmI, ask, get, linked, resolve, serving, until


class QuickReliable(aiocoap.Reliable):  # type: ignore[misc]  # aiocoap has no types
    ACK_TIMEOUT = 0.02
    ACK_RANDOM_FACTOR = 1.0
    MAX_RETRANSMIT = 1


def test_aiocoap_has_the_version_whose_private_names_we_use() -> None:
    """A canary: read `transport/coap.py` again before you change the version."""
    assert importlib.metadata.version("aiocoap") == "0.4.17"
    assert parameters(MessageManager._retransmit) == [
        "self",
        "message",
        "timeout",
        "retransmission_counter",
    ]
    assert parameters(MessageManager._process_response) == ["self", "response"]
    assert parameters(MessageManager._send_initially)[:2] == ["self", "message"]
    assert parameters(MessageManager._continue_backlog) == ["self", "remote"]
    assert parameters(TokenManager.process_response) == ["self", "response"]
    assert parameters(TokenManager.request) == ["self", "request"]
    assert parameters(TokenManager.next_token) == ["self"]
    assert parameters(aiocoap.Context._render_to_pipe) == ["self", "pipe"]
    assert parameters(Pipe.on_event)[:2] == ["self", "callback"]
    assert parameters(tcp._extract_message_size) == ["data"]
    assert parameters(tcp._decode_message) == ["data"]
    assert parameters(tcp._serialize) == ["msg"]
    assert parameters(RFC8323Remote._send_initial_csm) == ["self"]
    assert parameters(RFC8323Remote._process_signaling) == ["self", "msg"]
    assert parameters(RFC8323Remote.abort) == ["self", "errormessage", "bad_csm_option"]


def parameters(function: object) -> list[str]:
    assert callable(function)
    return list(inspect.signature(function).parameters)


async def test_the_tables_we_read_are_there() -> None:
    endpoint = CoapEndpoint(None)

    assert endpoint.tokens.outgoing_requests == {}
    assert endpoint.messages._active_exchanges == {}
    assert endpoint.messages._backlogs == {}
    assert endpoint.context.request_interfaces == [endpoint.tokens]


@pytest.mark.rule("SC-022")
async def test_tokens_are_random_and_short() -> None:
    endpoint = CoapEndpoint(None)

    tokens = {endpoint.tokens.next_token() for _ in range(50)}

    assert len(tokens) == 50
    assert {len(token) for token in tokens} == {TOKEN_BYTES}


async def test_a_chosen_token_is_used(authority: Authority) -> None:
    async with serving(authority.server()) as server, linked(server, authority.client()) as link:
        message = get(link)
        message.token = b"mine"

        answer = await ask(link.endpoint, message)

        assert answer.token == b"mine"


async def test_a_confirmable_message_that_is_not_acknowledged_fails_alone(
    authority: Authority,
) -> None:
    who = WhoAmI()
    async with (
        serving(authority.server(), who) as server,
        linked(server, authority.client()) as link,
    ):
        observed: asyncio.Queue[aiocoap.Message] = asyncio.Queue()
        stop = link.endpoint.request(
            get(link, observe=0), lambda message, _error: observed.put_nowait(message)
        )
        await observed.get()
        server.drop_outgoing = lambda _datagram, _address: True

        with pytest.raises(aiocoap.error.ConRetransmitsExceeded):
            await ask(link.endpoint, get(link, tuning=QuickReliable()))

        server.drop_outgoing = None
        who.updated_state()
        async with asyncio.timeout(5):
            assert (await observed.get()).opt.observe == 1
        stop()


async def test_the_next_confirmable_message_has_its_turn_after_a_failure(
    authority: Authority,
) -> None:
    async with serving(authority.server()) as server, linked(server, authority.client()) as link:
        losing = [True]
        server.drop_outgoing = lambda _datagram, _address: losing[0]
        first: asyncio.Future[aiocoap.Message] = asyncio.get_running_loop().create_future()
        second: asyncio.Future[aiocoap.Message] = asyncio.get_running_loop().create_future()
        link.endpoint.request(get(link, tuning=QuickReliable()), resolve(first))
        link.endpoint.request(get(link, tuning=QuickReliable()), resolve(second))

        with pytest.raises(aiocoap.error.ConRetransmitsExceeded):
            await first
        losing[0] = False

        async with asyncio.timeout(5):
            assert (await second).payload == b"acme"


async def test_a_confirmable_response_without_an_acknowledgement_does_not_end_the_session(
    authority: Authority,
) -> None:
    who = WhoAmI()
    async with (
        serving(authority.server(), who) as server,
        linked(server, authority.client()) as link,
    ):
        message = aiocoap.Message(
            code=aiocoap.CONTENT, payload=b"late", _token=b"none", transport_tuning=QuickReliable()
        )
        (message.remote,) = server.sessions
        failed: list[bool] = []
        server.drop_incoming = lambda _datagram, _address: True

        server.endpoint.messages.send_message(message, lambda: failed.append(True))

        await until(lambda: failed == [True])
        server.drop_incoming = None
        assert (await ask(link.endpoint, get(link))).payload == b"acme"


async def test_an_end_of_interest_is_final(authority: Authority) -> None:
    who = WhoAmI()
    who.is_silent = True
    async with (
        serving(authority.server(), who) as server,
        linked(server, authority.client()) as link,
    ):
        stop = link.endpoint.request(get(link), lambda _message, _error: None)
        assert len(link.endpoint.tokens.outgoing_requests) == 1

        stop()

        assert link.endpoint.tokens.outgoing_requests == {}


async def test_the_size_of_a_message_is_known_before_it_is_sent(authority: Authority) -> None:
    async with serving(authority.server()) as server, linked(server, authority.client()) as link:
        for payload in (b"", b"x" * 100):
            message = get(link)
            message.payload = payload
            expected = message_bytes(message)
            stop = link.endpoint.request(message, lambda _message, _error: None)
            stop()

            assert len(message.encode()) == expected


async def test_a_session_that_ends_before_a_request_is_looked_at_leaves_nothing_behind(
    authority: Authority,
) -> None:
    async with serving(authority.server()) as server, linked(server, authority.client()) as link:
        (session,) = server.sessions
        request = aiocoap.Message(code=aiocoap.GET, _mtype=aiocoap.NON, _mid=1, _token=b"t")
        request.remote = session
        request.direction = aiocoap.message.Direction.INCOMING

        server.endpoint.messages.dispatch_message(request)
        session.close("now")

        assert link.remote is not None
