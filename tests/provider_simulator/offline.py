"""A provider without a network, and clients that call it directly."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from dots_client import AttackStatus, Heartbeat, MitigationReport, MitigationStatus, Scope, Targets
from dots_client.server import (
    DOTS_CBOR,
    HEARTBEAT_PATH,
    config_path,
    decode_mitigations,
    encode_heartbeat,
    encode_request,
    mitigate_path,
)
from dots_server.messages import Notification, Request, Response
from dots_server.targets import Entitlement
from provider_simulator.behaviour import Behaviour
from provider_simulator.provider import Provider

START = 1_000_000.0
ENTITLEMENTS = {
    "acme": Entitlement.of(["203.0.113.0/24", "2001:db8:10::/48", "192.0.2.0/24", "acme.example"]),
    "globex": Entitlement.of(["198.51.100.0/24", "192.0.2.0/24"]),
}
CUID = "dz6pHjaADkaFTbjr0JGBpw"


def scope(*prefixes: str, **attributes: Any) -> Scope:
    return Scope(targets=Targets(target_prefix=prefixes or ("203.0.113.7/32",)), **attributes)


class OfflineProvider:
    """The provider, its clock, and one session per client."""

    def __init__(self, **behaviour: Any) -> None:
        self.now = START
        self.provider = Provider(
            entitlements=ENTITLEMENTS, rng=Random(1), behaviour=replace(Behaviour(), **behaviour)
        )
        self.notifications: list[Notification] = []

    def client(self, name: str = "acme", *, cuid: str = CUID, number: int = 1) -> OfflineClient:
        self.provider.open_session(number, client=name, peer="192.0.2.9:5000", now=self.now)
        return OfflineClient(self, number, cuid)

    def behave(self, **changes: Any) -> None:
        self.provider.behaviour = replace(self.provider.behaviour, **changes)

    def wait(self, seconds: float) -> list[Notification]:
        """Let time pass, and run the timers of the provider. Returns the notifications."""
        until = self.now + seconds
        sent: list[Notification] = list(self.provider.advance(now=self.now))
        while (due_at := self.provider.next_timer(now=self.now)) is not None and due_at <= until:
            self.now = max(due_at, self.now + 0.001)
            self.provider.heartbeats_due(now=self.now)
            sent += self.provider.advance(now=self.now)
        self.now = max(until, self.now)
        sent += self.provider.advance(now=self.now)
        self.notifications += sent
        return sent


class OfflineClient:
    """A client on its session."""

    def __init__(self, server: OfflineProvider, number: int, cuid: str) -> None:
        self.server = server
        self.number = number
        self.cuid = cuid

    def send(self, method: str, path: tuple[str, ...], **fields: Any) -> Response | None:
        if method == "PUT":
            fields.setdefault("content_format", DOTS_CBOR)
        request = Request(method=method, path=path, **fields)
        return self.server.provider.receive(self.number, request, now=self.server.now)

    def answered(self, method: str, path: tuple[str, ...], **fields: Any) -> Response:
        response = self.send(method, path, **fields)
        assert response is not None
        return response

    def request(self, mid: int, wanted: Scope | None = None) -> Response:
        return self.answered(
            "PUT", mitigate_path(self.cuid, mid), payload=encode_request(wanted or scope())
        )

    def efficacy(
        self, mid: int, wanted: Scope | None = None, *, if_match: bytes = b""
    ) -> Response | None:
        update = replace(wanted or scope(), attack_status=AttackStatus.UNDER_ATTACK)
        return self.send(
            "PUT",
            mitigate_path(self.cuid, mid),
            payload=encode_request(update),
            if_match=(if_match,),
        )

    def get(self, mid: int | None = None, **fields: Any) -> Response:
        return self.answered("GET", mitigate_path(self.cuid, mid), **fields)

    def observe(self, mid: int | None = None, *, token: bytes = b"t") -> Response:
        return self.get(mid, observe=0, token=token)

    def withdraw(self, mid: int | None) -> Response:
        return self.answered("DELETE", mitigate_path(self.cuid, mid))

    def status(self, mid: int) -> MitigationStatus | int | None:
        return report(self.get(mid)).status

    def heartbeat(self, *, is_seen: bool = True) -> Response | None:
        return self.send(
            "PUT", HEARTBEAT_PATH, payload=encode_heartbeat(Heartbeat(peer_hb_status=is_seen))
        )

    def config(self, method: str, sid: int | None = None, **fields: Any) -> Response:
        return self.answered(method, config_path(sid), **fields)


def report(response: Response) -> MitigationReport:
    """The only mitigation in an answer."""
    assert response.content_format == DOTS_CBOR, response
    [only] = decode_mitigations(response.payload)
    return only


def statuses(notifications: list[Notification]) -> list[MitigationStatus | int | str | None]:
    """The status in each notification, or the code of an error."""
    return [
        report(sent.response).status if sent.response.is_success else sent.response.code
        for sent in notifications
    ]
