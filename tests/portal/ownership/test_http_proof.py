"""The file is fetched from a real web server, at the address that was resolved once."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from portal.ownership import http_proof as module
from portal.ownership.evidence import Evidence, Network, is_public
from portal.ownership.http_proof import http_proof
from portal.ownership.places import PATH, new_token, value_of
from portal.ownership.states import ProofResult
from tests.dots_client.authority import Authority
from tests.portal.ownership.dns_world import RESOLVER, DnsWorld, zone

HOST = "shop.acme.example"
VALUE = value_of(new_token())
ZONES = {"acme.example": zone("shop 60 IN A 127.0.0.21")}


def ok(body: bytes, *headers: bytes) -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join([b"HTTP/1.1 200 OK", length, *headers, b"", body])


def status(line: str, *headers: bytes) -> bytes:
    head = [f"HTTP/1.1 {line}".encode(), b"Content-Length: 0", *headers]
    return b"\r\n".join([*head, b"", b""])


class WebServer:
    """Answers each connection with the same bytes; None: nothing, and stays open."""

    def __init__(self, reply: bytes | None, tls: ssl.SSLContext | None = None) -> None:
        self.reply, self.tls = reply, tls
        self.requests: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head.decode())
        if self.reply is not None:
            writer.write(self.reply)
            await writer.drain()
        else:
            await reader.read()
        writer.close()


async def ask(
    world: DnsWorld, http: WebServer | None, https: WebServer | None, network: Network
) -> Evidence:
    ports = {"http_port": 1, "https_port": 1}
    servers = []
    for name, server in (("http_port", http), ("https_port", https)):
        if server is not None:
            one = await asyncio.start_server(server.serve, "127.0.0.21", 0, ssl=server.tls)
            servers.append(one)
            ports[name] = one.sockets[0].getsockname()[1]
    try:
        return await http_proof(HOST, VALUE, replace(network, **ports))  # type: ignore[arg-type]  # two ports
    finally:
        for one in servers:
            one.close()


def found(
    http: WebServer | None, https: WebServer | None = None, network: Network | None = None
) -> Evidence:
    with DnsWorld(ZONES, {}) as world:
        return asyncio.run(ask(world, http, https, network or world.network))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(ok(VALUE.encode()), ProofResult.FOUND, id="there"),
        pytest.param(ok(f"other\r\n  {VALUE}\n".encode()), ProofResult.FOUND, id="line of several"),
        pytest.param(ok(b"x"), ProofResult.WRONG, id="something else"),
        pytest.param(ok(f"x{VALUE}".encode()), ProofResult.WRONG, id="inside a line"),
        pytest.param(ok(b"x" * 5000), ProofResult.TOO_LONG, id="long"),
        pytest.param(ok(b"\xff\x00"), ProofResult.WRONG, id="binary"),
        pytest.param(status("404 Not Found"), ProofResult.MISSING, id="404"),
        pytest.param(status("403 Forbidden"), ProofResult.BAD_STATUS, id="403"),
        pytest.param(status("503 Busy"), ProofResult.NO_ANSWER, id="503"),
        pytest.param(
            status("301 Moved", b"Location: http://127.0.0.1/"), ProofResult.REDIRECTED, id="301"
        ),
        pytest.param(b"nonsense\r\n\r\n", ProofResult.NO_ANSWER, id="no HTTP"),
        pytest.param(b"", ProofResult.NO_ANSWER, id="closed"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n", ProofResult.NO_ANSWER,
            id="large head",
        ),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + ok(VALUE.encode()), ProofResult.FOUND,
                     id="interim response"),
        pytest.param(None, ProofResult.NO_ANSWER, id="silent"),
    ],
)  # fmt: skip
def test_the_answer_over_http_decides(
    reply: bytes | None, expected: ProofResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRY_TIMEOUT_S", 0.5 if reply is None else 5.0)
    server = WebServer(reply)

    evidence = found(server)

    assert evidence.result == expected, evidence.findings
    [request] = server.requests
    assert request.startswith(f"GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\n")
    assert VALUE not in request, "a server that repeats what it was sent proves nothing"


@pytest.mark.parametrize("name", [HOST, "other.example"], ids=["its name", "another name"])
def test_over_https_the_certificate_must_be_valid(name: str, tmp_path: Path) -> None:
    authority = Authority()
    tls = _server_context(authority, name, tmp_path)
    trusting = ssl.create_default_context(cadata=authority.pem.decode())
    network = Network(may_ask=lambda _: True, tls=lambda: trusting)

    with DnsWorld(ZONES, {}) as world:
        own = replace(network, resolvers=[(RESOLVER, world.port)])
        evidence = asyncio.run(ask(world, None, WebServer(ok(VALUE.encode()), tls), own))

    expected = ProofResult.FOUND if name == HOST else ProofResult.BAD_CERTIFICATE
    assert evidence.result == expected, evidence.findings


def test_a_name_with_a_private_address_is_not_contacted() -> None:
    server = WebServer(ok(VALUE.encode()))

    with DnsWorld(ZONES, {}) as world:
        network = replace(world.network, may_ask=is_public)
        evidence = asyncio.run(ask(world, server, None, network))

    assert evidence.result == ProofResult.NOT_PUBLIC
    assert server.requests == []


def test_the_name_is_resolved_once() -> None:
    with DnsWorld(ZONES, {}) as world:
        asyncio.run(ask(world, WebServer(ok(VALUE.encode())), None, world.network))

    assert sorted(name for _, name in world.asked) == [HOST, HOST], "A and AAAA"


def _server_context(authority: Authority, name: str, directory: Path) -> ssl.SSLContext:
    credentials = authority.issue(name, names=(name,))
    file = directory / "server.pem"
    file.write_bytes(credentials.certificate_chain + credentials.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
