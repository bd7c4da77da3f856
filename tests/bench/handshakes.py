"""The cost of a handshake, full and resumed."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from OpenSSL import SSL

from dots_client.transport.certificate_verification import Verification
from dots_client.transport.dtls_engine import DtlsEngine
from dots_client.transport.tls_contexts import (
    client_context,
    server_context,
    tls_client_context,
    tls_server_context,
)
from dots_client.transport.tls_engine import TlsEngine
from tests.bench.report import machine, say, table
from tests.dots_client.authority import Authority

NAME: Final = "provider.example"
MTU: Final = 1252
"""UDP payload of an IPv4 packet of 1280 bytes."""


@dataclass(frozen=True, slots=True)
class Handshake:
    flights: int
    "one after the other, until both sides are done"
    to_server: int
    "bytes"
    to_client: int
    seconds: float
    "CPU time of both sides together"
    session: SSL.Session | None
    was_resumed: bool


Shake = Callable[[SSL.Session | None], Handshake]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench handshakes", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="of each kind (200)")
    runs: int = parser.parse_args(arguments).runs
    say(machine())
    say()
    authority = Authority()
    table(
        ("transport", "handshake", "flights", "bytes to server", "bytes to client", "CPU"),
        (
            row
            for name, shake in (
                ("DTLS 1.2", over_udp(authority)),
                ("TLS 1.2", over_tcp(authority, SSL.TLS1_2_VERSION)),
                ("TLS 1.3", over_tcp(authority, SSL.TLS1_3_VERSION)),
            )
            for row in _rows(name, shake, runs)
        ),
    )


def over_udp(authority: Authority) -> Shake:
    """Behind a cookie, as `DtlsServer` does it."""
    ours = client_context(authority.client(), resumes=True)
    theirs = server_context(
        authority.server(),
        require_client_certificate=True,
        cookie=lambda address: address,
        hands_out_tickets=True,
    )

    def shake(session: SSL.Session | None) -> Handshake:
        began = time.process_time()
        connection = SSL.Connection(theirs)
        connection.set_accept_state()
        verification = Verification(peer="client", address=bytes(16))
        connection.set_app_data(verification)
        client = DtlsEngine.client(ours, peer_name=NAME, mtu=MTU, session=session)
        client.start()
        (hello,) = client.datagrams_to_send()
        asked, cookie_request = _challenge(connection, hello)
        client.receive(cookie_request)
        (hello,) = client.datagrams_to_send()
        connection.bio_write(hello)
        connection.DTLSv1_listen()
        server = DtlsEngine(connection, verification, mtu=MTU)
        flights, to_server, to_client = 3, asked + len(hello), len(cookie_request)
        server.receive(hello)
        while answer := server.datagrams_to_send():
            flights, to_client = flights + 1, to_client + sum(map(len, answer))
            for datagram in answer:
                client.receive(datagram)
            said = client.datagrams_to_send()
            flights, to_server = flights + bool(said), to_server + sum(map(len, said))
            for datagram in said:
                server.receive(datagram)
        seconds = time.process_time() - began
        client.close()  # OpenSSL does not resume a session that ended without close_notify
        return Handshake(flights, to_server, to_client, seconds, client.session, client.was_resumed)

    return shake


def _challenge(connection: SSL.Connection, hello: bytes) -> tuple[int, bytes]:
    connection.set_ciphertext_mtu(MTU)
    connection.bio_write(hello)
    try:
        connection.DTLSv1_listen()
    except SSL.WantReadError:
        return len(hello), connection.bio_read(MTU)
    raise AssertionError("a hello without a cookie was taken")


def over_tcp(authority: Authority, version: int) -> Shake:
    ours = tls_client_context(authority.client(), resumes=True)
    theirs = tls_server_context(
        authority.server(), require_client_certificate=True, hands_out_tickets=True
    )
    theirs.set_max_proto_version(version)

    def shake(session: SSL.Session | None) -> Handshake:
        began = time.process_time()
        client = TlsEngine.client(ours, peer_name=NAME, session=session)
        server = TlsEngine.server(theirs)
        client.start()
        flights = to_server = to_client = 0
        while said := client.bytes_to_send():
            flights, to_server = flights + 1, to_server + len(said)
            server.receive(said)
            answer = server.bytes_to_send()
            flights, to_client = flights + bool(answer), to_client + len(answer)
            client.receive(answer)
        seconds = time.process_time() - began
        client.close()  # OpenSSL does not resume a session that ended without close_notify
        return Handshake(flights, to_server, to_client, seconds, client.session, client.was_resumed)

    return shake


def _rows(name: str, shake: Shake, runs: int) -> list[list[str]]:
    full = [shake(None) for _ in range(runs)]
    resumed = [shake(full[-1].session) for _ in range(runs)]
    assert not any(one.was_resumed for one in full)
    assert all(one.was_resumed for one in resumed)
    return [
        [
            *(name, kind, str(shakes[0].flights)),
            *(str(shakes[0].to_server), str(shakes[0].to_client)),
            f"{1000 * statistics.median(one.seconds for one in shakes):.2f} ms",
        ]
        for kind, shakes in (("full", full), ("resumed", resumed))
    ]
