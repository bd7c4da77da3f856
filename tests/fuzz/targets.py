"""What is fed with arbitrary bytes.

A target must return for any input; an exception is a finding.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiocoap import resource

from dots_client.codec import (
    decode_config,
    decode_config_request,
    decode_efficacy,
    decode_heartbeat,
    decode_mitigations,
    decode_redirect,
    decode_request,
    encode_request,
    parse_path,
    to_json,
)
from dots_client.errors import DecodeError
from dots_client.transport.association import MAX_INCOMING_BYTES
from dots_client.transport.dtls_engine import DtlsEngine
from dots_client.transport.dtls_server import DtlsServer
from dots_client.transport.frames import Frames
from dots_client.transport.message_parser import IncomingMessage, MalformedMessage, read_datagram
from dots_client.transport.tls_contexts import client_context
from dots_client.transport.wire import record
from tests.dots_client.authority import Authority

Target = Callable[[bytes], None]

VECTORS: Final = Path(__file__).parents[1] / "dots_client" / "vectors" / "rfc9132.json"
CLIENT_ADDRESS: Final = ("127.0.0.1", 40000)
STRANGE_ADDRESS: Final = ("127.0.0.1", 40001)
MTU: Final = 1232

_DECODERS: Final[tuple[Callable[[bytes], Any], ...]] = (
    decode_mitigations,
    decode_config,
    decode_config_request,
    partial(decode_efficacy, lifetime=3600),
    decode_heartbeat,
    decode_redirect,
    lambda data: json.dumps(to_json(data), allow_nan=False),
)


def codec(data: bytes) -> None:
    """Every decoder returns or raises DecodeError; what a request decodes to can be
    encoded again.
    """
    for decode in _DECODERS:
        try:
            decode(data)
        except DecodeError:
            continue
    try:
        scope = decode_request(data)
    except DecodeError:
        return
    assert decode_request(encode_request(scope)) == scope


def messages(data: bytes) -> None:
    """CoAP in datagrams and streams, up to the site: paths, and the wire journal."""
    with suppress(MalformedMessage):
        _look_at(read_datagram(data, max_bytes=MAX_INCOMING_BYTES))
    half = len(data) // 2
    frames = Frames()
    with suppress(MalformedMessage):
        for incoming in [*frames.receive(data[:half]), *frames.receive(data[half:])]:
            _look_at(incoming)


def _look_at(incoming: IncomingMessage) -> None:
    shown = record(
        incoming.message,
        direction="received",
        at=0.0,
        session=1,
        transport="dtls",
        encoded=incoming.encoded,
        request=None,
        options_not_read=incoming.not_read,
    )
    assert shown.body is not None or not incoming.message.payload
    assert all(words.isprintable() for words in shown.not_read)
    try:
        parse_path(incoming.message.opt.uri_path)
    except DecodeError:
        return


def datagrams() -> Target:
    """A DTLS server with one live session; needs a running loop, which it never lets run."""
    authority = Authority()
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: complaints.append(what))
    server = DtlsServer(resource.Site(), credentials=authority.server())
    sent: list[bytes] = []

    def note(datagram: bytes, _address: object) -> bool:
        sent.append(datagram)
        return True

    server.drop_outgoing = note
    _shake_hands(server, authority, sent)
    (session,) = server.sessions

    def feed(data: bytes) -> None:
        server.datagram_received(data, CLIENT_ADDRESS)
        server.datagram_received(data, STRANGE_ADDRESS)
        sent.clear()
        assert server.sessions == (session,), "an unauthenticated datagram ended a session"
        assert server.pending_count == 0, "a stranger without a cookie is remembered"
        assert not complaints

    return feed


def _shake_hands(server: DtlsServer, authority: Authority, sent: list[bytes]) -> None:
    context = client_context(authority.client())
    client = DtlsEngine.client(context, peer_name="provider.example", mtu=MTU)
    client.start()
    while not server.sessions:
        for datagram in client.datagrams_to_send():
            server.datagram_received(datagram, CLIENT_ADDRESS)
        for datagram in sent:
            client.receive(datagram)
        sent.clear()


def seeds(name: str) -> list[bytes]:
    """Valid inputs to start from."""
    if name == "datagrams":
        client = DtlsEngine.client(
            client_context(Authority().client()), peer_name="provider.example", mtu=MTU
        )
        client.start()
        (hello,) = client.datagrams_to_send()
        application_data = b"\x17\xfe\xfd\0\x01" + bytes(6) + b"\0\x20" + bytes(32)
        alert = b"\x15\xfe\xfd\0\0" + bytes(6) + b"\0\x02\x02\x28"
        return [hello, application_data, alert]
    vectors = json.loads(VECTORS.read_text())
    keys = ("cbor_hex",) if name == "codec" else ("coap_udp_hex", "coap_tcp_hex")
    return [bytes.fromhex(vector[key]) for vector in vectors for key in keys if vector.get(key)]


TARGETS: Final[Mapping[str, Callable[[], Target]]] = {
    "codec": lambda: codec,
    "messages": lambda: messages,
    "datagrams": datagrams,
}
