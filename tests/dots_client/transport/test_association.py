from __future__ import annotations

import logging

import aiocoap
import pytest

from dots_client.transport.association import datagram_mtu
from dots_client.transport.remote import hostinfo
from tests.dots_client.authority import Authority
from tests.dots_client.transport.loopback import ask, get, linked, serving


def test_the_room_in_a_datagram_depends_on_the_address_family() -> None:
    assert datagram_mtu(1280, "192.0.2.1") == 1252
    assert datagram_mtu(1280, "2001:db8::1") == 1232


def test_addresses_are_written_as_in_uris() -> None:
    assert hostinfo(("192.0.2.1", 4646)) == "192.0.2.1:4646"
    assert hostinfo(("2001:db8::1", 4646)) == "[2001:db8::1]:4646"


async def test_an_association_answers_what_aiocoap_asks_of_a_remote(authority: Authority) -> None:
    async with serving(authority.server()) as server, linked(server, authority.client()) as link:
        remote = link.remote
        (session,) = server.sessions

        assert remote.uri_base == f"coaps://127.0.0.1:{server.port}"
        assert remote.uri_base_local == f"coaps://{session.hostinfo}"
        assert remote.blockwise_key != session.blockwise_key
        assert remote.maximum_payload_size == link.max_message_bytes - 71
        assert remote.as_response_address() is remote
        assert repr(remote).endswith(f"with 127.0.0.1:{server.port}>")


async def test_a_message_that_does_not_fit_is_dropped_and_reported(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(authority.server()) as server, linked(server, authority.client()) as link:
        message = aiocoap.Message(
            code=aiocoap.PUT, _mtype=aiocoap.NON, _mid=1, payload=bytes(link.max_message_bytes)
        )

        with caplog.at_level(logging.WARNING, logger="dots_client.transport"):
            link.remote.send_message(message)

        assert ", 1215 fit one datagram" in caplog.text


async def test_a_message_on_a_dead_session_is_dropped(authority: Authority) -> None:
    async with serving(authority.server()) as server, linked(server, authority.client()) as link:
        message = get(link)
        await ask(link.endpoint, message)
        link.remote.close()
        link.remote.close()

        link.remote.send_message(message)

        assert not link.remote.is_established
        assert link.remote.reason == "closed by us"


async def test_a_closed_session_drops_received_data(authority: Authority) -> None:
    async with serving(authority.server()) as server, linked(server, authority.client()) as link:
        link.remote.close()

        link.remote.receive_datagram(b"late")

        assert not link.remote.is_established


async def test_a_peer_without_a_certificate_has_no_name(authority: Authority) -> None:
    async with serving(authority.server()) as server, linked(server, authority.client()) as link:
        assert link.remote.peer_common_name == "provider.example"
        (session,) = server.sessions
        session.peer_certificate = None

        assert session.peer_common_name == ""
        assert session.authenticated_claims == ()
