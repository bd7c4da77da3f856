"""A small DOTS server for the client's tests: it plays a script and records the requests."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiocoap
from aiocoap import Code, resource

from dots_client import (
    Client,
    ClientSettings,
    ConfigurationSet,
    MitigationReport,
    MitigationStatus,
    Parameter,
    RetransmissionSettings,
    Scope,
    Server,
    SignalConfig,
    Targets,
    WireRecord,
    connect,
)
from dots_client.codec import (
    ConfigPath,
    HeartbeatPath,
    MitigatePath,
    decode_heartbeat,
    encode_config_report,
    encode_reports,
    parse_path,
)
from dots_client.transport.dtls_server import DtlsServer, ServerSession, serve_dtls
from tests.dots_client.authority import Authority

CUID = "dz6pHjaADkaFTbjr0JGBpw"
SCOPE = Scope(targets=Targets(target_prefix=("192.0.2.0/24",)), lifetime=3600)
SETTINGS = ClientSettings(
    handshake_timeout_s=5,
    retransmission=RetransmissionSettings(floor_s=60, jitter=0),
    reads_configuration=False,
    heartbeat_wait_s=0.5,
)
"""Nothing is repeated, so that each request counts once, however busy the machine is."""
REPEATING = replace(SETTINGS, retransmission=RetransmissionSettings(floor_s=0.05, jitter=0))
CONFIG = SignalConfig(
    sid=7,
    mitigating=ConfigurationSet(heartbeat_interval=Parameter(current=15, minimum=15, maximum=240)),
    idle=ConfigurationSet(heartbeat_interval=Parameter(current=60, minimum=15, maximum=240)),
)

Answer = Callable[[aiocoap.Message], aiocoap.Message | None]
"""None: no answer at all."""


def answer(code: Code, payload: bytes = b"", **options: Any) -> Answer:
    return lambda _request: aiocoap.Message(code=code, payload=payload, **options)


def silence(_request: aiocoap.Message) -> None:
    return None


class Provider(resource.ObservableResource, resource.PathCapable):  # type: ignore[misc]  # no types
    def __init__(self) -> None:
        super().__init__()
        self.requests: list[aiocoap.Message] = []
        self.heartbeats: list[bool] = []
        self.script: deque[Answer] = deque()
        "answers to the next requests for mitigations"
        self.config_script: deque[Answer] = deque()
        self.answers_heartbeats = True
        self.silent_puts = 0
        "copies of requests that it will not answer"
        self.heartbeat_answer: Answer | None = None
        "None: as a server should"
        self.cuts_blocks = True
        "False: answers are sent as they are"
        self.held: dict[int, MitigationReport] = {}

    @property
    def observer_count(self) -> int:
        return len(self._observations)

    def asked(self, code: Code) -> list[aiocoap.Message]:
        return [request for request in self.requests if request.code is code]

    def notify(self, status: MitigationStatus, mid: int = 1) -> None:
        self.held[mid] = MitigationReport(mid=mid, lifetime=3600, status=status)
        self.updated_state()

    async def needs_blockwise_assembly(self, request: aiocoap.Message) -> bool:
        return self.cuts_blocks

    async def render(self, request: aiocoap.Message) -> aiocoap.Message:
        path = parse_path(request.opt.uri_path)
        match path:
            case HeartbeatPath():
                response = self._heartbeat(request)
            case ConfigPath():
                response = self._config(request)
            case MitigatePath(mid=mid):
                if not any(request is known for known in self.requests):
                    self.requests.append(request)
                if request.code is Code.PUT and self.silent_puts > 0:
                    self.silent_puts -= 1
                    await asyncio.Event().wait()
                script = self.script.popleft() if self.script else self._mitigate(mid)
                response = script(request)
        if response is None:
            await asyncio.Event().wait()
        return response

    def _heartbeat(self, request: aiocoap.Message) -> aiocoap.Message | None:
        self.heartbeats.append(decode_heartbeat(request.payload).peer_hb_status)
        if self.heartbeat_answer is not None:
            return self.heartbeat_answer(request)
        return aiocoap.Message(code=Code.CHANGED) if self.answers_heartbeats else None

    def _config(self, request: aiocoap.Message) -> aiocoap.Message | None:
        self.requests.append(request)
        if self.config_script:
            return self.config_script.popleft()(request)
        if request.code is Code.PUT:
            return aiocoap.Message(code=Code.CREATED)
        return aiocoap.Message(
            payload=encode_config_report(CONFIG),
            content_format=271,
            max_age=3600,
            code=Code.CONTENT,
        )

    def _mitigate(self, mid: int | None) -> Answer:
        def respond(request: aiocoap.Message) -> aiocoap.Message:
            if request.code is Code.PUT:
                assert mid is not None
                code = Code.CHANGED if mid in self.held else Code.CREATED
                self.held[mid] = MitigationReport(mid=mid, lifetime=3600)
                return _reports(code, (self.held[mid],))
            if request.code is Code.DELETE:
                self.held.pop(mid or 0, None)
                return aiocoap.Message(code=Code.DELETED, payload=b"Deleted")
            found = tuple(self.held.values()) if mid is None else (self.held.get(mid),)
            if not found or None in found:
                return aiocoap.Message(code=Code.NOT_FOUND, payload=b"no such mitigation")
            return _reports(Code.CONTENT, tuple(report for report in found if report))

        return respond


def _reports(code: Code, reports: tuple[MitigationReport, ...]) -> aiocoap.Message:
    return aiocoap.Message(code=code, payload=encode_reports(reports), content_format=271)


class Scene:
    """A provider, its server, and a client in session with it."""

    def __init__(self, provider: Provider, server: DtlsServer, client: Client) -> None:
        self.provider = provider
        self.server = server
        self.client = client
        self.wire: list[WireRecord] = []

    @property
    def session(self) -> ServerSession:
        (session,) = self.server.sessions
        return session


@asynccontextmanager
async def serving(authority: Authority, provider: Provider) -> AsyncIterator[DtlsServer]:
    server = await serve_dtls(provider, host="127.0.0.1", port=0, credentials=authority.server())
    try:
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def in_session(
    authority: Authority, settings: ClientSettings = SETTINGS
) -> AsyncIterator[Scene]:
    provider = Provider()
    wire: list[WireRecord] = []
    async with (
        serving(authority, provider) as server,
        connect(
            Server("provider.example", "127.0.0.1", server.port),
            authority.client(),
            cuid=CUID,
            settings=settings,
            on_wire=wire.append,
        ) as client,
    ):
        scene = Scene(provider, server, client)
        scene.wire = wire
        yield scene
