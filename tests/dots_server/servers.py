"""A small server without a network, and its clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dots_client import Heartbeat, MitigationReport, MitigationStatus, Scope, Targets
from dots_client.server import (
    DOTS_CBOR,
    HEARTBEAT_PATH,
    decode_mitigations,
    encode_heartbeat,
    encode_request,
    mitigate_path,
)
from dots_server.messages import Request, Response
from dots_server.mitigation import Mitigation
from dots_server.mitigator import Counters, Mitigator
from dots_server.policy import Contracts
from dots_server.signal_channel import SignalChannel
from dots_server.targets import Entitlement
from dots_server.terms import Terms

START = 1_000_000.0
Status = MitigationStatus
HEARTBEAT = Request(
    method="PUT",
    path=HEARTBEAT_PATH,
    payload=encode_heartbeat(Heartbeat(peer_hb_status=True)),
    content_format=DOTS_CBOR,
)


class Filters(Mitigator):
    """A mitigator that filters at once, and records the statuses that mitigations entered."""

    def __init__(self, ready: Mapping[Status, Status] | None = None) -> None:
        self.next = {Status.IN_PROGRESS: Status.MITIGATING} if ready is None else dict(ready)
        self.statuses: list[tuple[int, Status]] = []
        self.running: set[Mitigation] = set()

    def entered(self, mitigation: Mitigation, *, now: float) -> None:
        self.statuses.append((mitigation.mid, mitigation.status))
        self.running.add(mitigation)

    def next_status(self, mitigation: Mitigation, *, now: float) -> Status | None:
        return self.next.get(mitigation.status)

    def counters(self, mitigation: Mitigation, *, now: float) -> Counters:
        return Counters(bytes_dropped=7)

    def removed(self, mitigation: Mitigation) -> None:
        self.running.remove(mitigation)


def prefix_of(number: int) -> str:
    return f"2001:db8:{number:x}::/48"


def channel(
    clients: int = 2, mitigator: Filters | None = None, *, shared: str = "", **terms: Any
) -> SignalChannel:
    """With a session for each client, numbered from 0.

    Client `n` may protect `prefix_of(n)`, and all `shared`.
    """
    common = [shared] if shared else []
    entitlements = {f"client-{n}": Entitlement.of([prefix_of(n), *common]) for n in range(clients)}
    made = SignalChannel(
        mitigator=mitigator or Filters(), policy=Contracts(entitlements), terms=Terms(**terms)
    )
    for number in range(clients):
        open_session(made, number)
    return made


def open_session(channel: SignalChannel, number: int, now: float = START) -> None:
    channel.open_session(number, client=f"client-{number}", peer="192.0.2.9:5000", now=now)


def put(
    channel: SignalChannel,
    number: int,
    mid: int = 1,
    *,
    target: str = "",
    cuid: str = "",
    now: float = START,
    **attributes: Any,
) -> Response:
    scope = Scope(targets=Targets(target_prefix=(target or prefix_of(number),)), **attributes)
    answer = channel.receive(
        number,
        Request(
            method="PUT",
            path=mitigate_path(cuid or f"cuid-{number}", mid),
            payload=encode_request(scope),
            content_format=DOTS_CBOR,
        ),
        now=now,
    )
    assert answer is not None
    return answer


def ask(
    channel: SignalChannel,
    number: int,
    method: str = "GET",
    mid: int = 1,
    *,
    now: float = START,
    **fields: Any,
) -> Response:
    path = mitigate_path(f"cuid-{number}", mid)
    answer = channel.receive(number, Request(method=method, path=path, **fields), now=now)
    assert answer is not None
    return answer


def report(response: Response) -> MitigationReport:
    [only] = decode_mitigations(response.payload)
    return only
