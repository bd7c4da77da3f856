"""The cost of a request or tick does not depend on the number of clients."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from dots_server.signal_channel import SignalChannel
from tests.dots_server.servers import HEARTBEAT, START, ask, channel, prefix_of, put

FEW, MANY = 10, 400
TOLERATED_CALLS = 30
"""A scan over all clients would add at least 390."""


def busy(clients: int) -> SignalChannel:
    """Every client has a session, sends heartbeats, has one mitigation and observes it."""
    server = channel(clients, shared="2001:db8:ffff::/48")
    for number in range(clients):
        put(server, number)
        ask(server, number, observe=0, token=b"t")
        server.receive(number, HEARTBEAT, now=START)
    server.heartbeats_due(now=START)
    server.advance(now=START)
    # The agenda drops outdated entries when it is read next, each once.
    server.next_timer(now=START)
    return server


def calls(operation: Callable[[], Any]) -> int:
    """The number of calls of functions, Python or C, in `operation`."""
    counted = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        operation()
    finally:
        sys.setprofile(None)
    return counted


def costs(clients: int) -> dict[str, int]:
    server = busy(clients)
    inside = f"{prefix_of(3).removesuffix('::/48')}:7::/64"
    return {
        "read": calls(lambda: ask(server, 3)),
        "request": calls(lambda: put(server, 3, 2, target=inside)),
        "refused for a conflict": calls(
            lambda: (
                put(server, 4, 9, target="2001:db8:ffff::/48"),
                put(server, 5, 9, target="2001:db8:ffff:1::/64"),
            )
        ),
        "tick of one client": calls(lambda: server.advance(now=START, client="client-3")),
        "tick with nobody due": calls(lambda: server.advance(now=START)),
        "touch": calls(lambda: server.touch("client-6")),
        "tick with one client due": calls(lambda: server.advance(now=START)),
        "timer": calls(lambda: server.next_timer(now=START)),
        "heartbeat received": calls(lambda: server.receive(3, HEARTBEAT, now=START)),
        "heartbeats with none due": calls(lambda: server.heartbeats_due(now=START)),
        "withdrawal": calls(lambda: ask(server, 3, "DELETE", 2)),
        "end of a session": calls(lambda: server.close_session(3)),
    }


def test_a_client_costs_the_same_among_few_and_among_many() -> None:
    few, many = costs(FEW), costs(MANY)

    assert {
        name: many[name] - cost for name, cost in few.items() if many[name] > cost + TOLERATED_CALLS
    } == {}
