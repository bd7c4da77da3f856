"""Open a session with a provider only to see each step work or fail, beside the session in use."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from cryptography import x509

from dots_client import (
    Client,
    ClientSettings,
    DotsError,
    FailureKind,
    NoAnswer,
    Protection,
    Refused,
    SignalConfig,
    WireTap,
    addresses_of,
    clean_text,
    connect,
)
from portal.connections.steps import (
    MAX_ADDRESSES,
    MAX_CHAIN,
    MAX_NAMES,
    MAX_TEXT,
    ConnectionResult,
    ConnectionStep,
    ShownCertificate,
    StepFailure,
    StepName,
    StepState,
)
from portal.mitigations.states import UNAUTHORIZED_CODES
from portal.signaling.connection_settings import ConnectionSettings
from portal.signaling.sessions.session_check import check_session

RESOLVE_WITHIN_S: Final = 5.0
HANDSHAKE_WITHIN_S: Final = 8.0
"""Over one transport."""
CONFIGURATION_WITHIN_S: Final = 5.0
NOT_SERVED: Final = ("4.04", "4.05")
"""What a CoAP server answers that knows no DOTS."""
CLIENT_SETTINGS: Final = ClientSettings(
    handshake_timeout_s=HANDSHAKE_WITHIN_S, reads_configuration=False, resumes_sessions=False
)
_AT_ADDRESS: Final = (FailureKind.NOTHING_LISTENS, FailureKind.SILENT, FailureKind.UNREACHABLE)
_AT_CERTIFICATE: Final = (
    FailureKind.UNTRUSTED,
    FailureKind.EXPIRED,
    FailureKind.NOT_YET_VALID,
    FailureKind.WRONG_NAME,
    FailureKind.BAD_CERTIFICATE,
)

OnSteps = Callable[[Sequence[ConnectionStep]], Awaitable[None]]


class ConnectionProbe:
    """Every transport that the provider is reached over, one after the other.

    `on_steps` gets all steps whenever one begins or ends.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        *,
        on_steps: OnSteps,
        on_wire: WireTap | None = None,
        client_settings: ClientSettings = CLIENT_SETTINGS,
    ) -> None:
        self.steps: list[ConnectionStep] = []
        self._settings = settings
        self._on_steps = on_steps
        self._on_wire = on_wire
        self._client_settings = client_settings

    async def run(self) -> ConnectionResult:
        """PASSED if a session works over at least one transport."""
        if not await self._resolve():
            return ConnectionResult.FAILED
        passed = [await self._over(one) for one in self._settings.server.transports]
        return ConnectionResult.PASSED if any(passed) else ConnectionResult.FAILED

    async def give_up(self, failure: StepFailure) -> None:
        """The step that runs ends with `failure`."""
        if self.steps and self.steps[-1].state == StepState.RUNNING:
            await self._end(failure=failure)

    async def _resolve(self) -> bool:
        server = self._settings.server
        await self._begin(StepName.NAME)
        try:
            async with asyncio.timeout(RESOLVE_WITHIN_S):
                found = await addresses_of(server.host, server.port)
        except TimeoutError:
            await self._end(failure=StepFailure.NO_ADDRESS, detail="the name servers are silent")
            return False
        except DotsError as error:
            await self._end(failure=StepFailure.NO_ADDRESS, detail=str(error))
            return False
        addresses = tuple(dict.fromkeys(host for host, _ in found))[:MAX_ADDRESSES]
        await self._end(addresses=addresses)
        return True

    async def _over(self, transport: str) -> bool:
        settings, started = self._settings, asyncio.get_running_loop().time()
        await self._begin(StepName.ADDRESS, transport)
        try:
            async with connect(
                replace(settings.server, transports=(transport,)),
                settings.credentials,
                cuid=settings.cuid,
                settings=self._client_settings,
                on_wire=self._on_wire,
            ) as client:
                await self._opened(client, took_s=client.connected_at - started)
                return await self._session(client)
        except DotsError as error:
            if self.steps[-1].step == StepName.ADDRESS:
                await self._not_opened(error)
            else:
                await self._end(failure=_failure_of(error), detail=str(error))
            return False

    async def _not_opened(self, error: DotsError) -> None:
        failure, transport = _failure_of(error), self.steps[-1].transport
        if error.kind not in _AT_ADDRESS:
            await self._end()
            is_about_certificate = error.kind in _AT_CERTIFICATE
            step = StepName.CERTIFICATE if is_about_certificate else StepName.HANDSHAKE
            await self._begin(step, transport)
        await self._end(failure=failure, detail=str(error))

    async def _opened(self, client: Client, *, took_s: float) -> None:
        transport, protection = client.transport, client.protection
        await self._end(peer=client.peer)
        await self._begin(StepName.HANDSHAKE, transport)
        await self._end(
            version=protection.version, cipher=protection.cipher, took_ms=round(took_s * 1000)
        )
        await self._begin(StepName.CERTIFICATE, transport)
        names, chain = shown_chain(protection)
        await self._end(names=names, chain=chain)
        await self._begin(StepName.SESSION, transport)

    async def _session(self, client: Client) -> bool:
        refusal = await _refusal_of_heartbeat(client)
        config = await _configuration(client)
        if refusal in NOT_SERVED and config is None:
            detail = f"{refusal} to a heartbeat"
            await self._end(failure=StepFailure.NOT_DOTS, detail=detail)
            return False
        if refusal in UNAUTHORIZED_CODES:
            detail = f"{refusal} to a heartbeat"
            await self._end(failure=StepFailure.REFUSED_CERTIFICATE, detail=detail)
            return False
        await check_session(client)
        await self._end(heartbeat_s=_heartbeat_s(config))
        return True

    async def _begin(self, step: StepName, transport: str = "") -> None:
        running = ConnectionStep(step=step, state=StepState.RUNNING, transport=transport)
        self.steps.append(running)
        await self._on_steps(self.steps)

    async def _end(
        self, *, failure: StepFailure | None = None, detail: str = "", **found: object
    ) -> None:
        state = StepState.PASSED if failure is None else StepState.FAILED
        self.steps[-1] = replace(
            self.steps[-1],
            state=state,
            failure=failure,
            detail=clean_text(detail, MAX_TEXT),
            **found,  # type: ignore[arg-type]  # fields of ConnectionStep
        )
        await self._on_steps(self.steps)


async def _refusal_of_heartbeat(client: Client) -> str:
    """The code with which the server refuses heartbeats; empty: it answers them, or is silent."""
    try:
        await client.heartbeat()
    except Refused as error:
        return error.code
    return ""


async def _configuration(client: Client) -> SignalConfig | None:
    try:
        async with asyncio.timeout(CONFIGURATION_WITHIN_S):
            return await client.configuration()
    except TimeoutError:
        return None
    except DotsError:
        # Optional for a server; `check_session` finds a session that has ended.
        return None


def _heartbeat_s(config: SignalConfig | None) -> int | None:
    interval = config.idle.heartbeat_interval if config and config.idle else None
    current = interval.current if interval else None
    return None if current is None else int(current)


def _failure_of(error: DotsError) -> StepFailure:
    if isinstance(error, NoAnswer):
        return StepFailure.NO_ANSWER
    if isinstance(error, Refused) and error.code in UNAUTHORIZED_CODES:
        return StepFailure.REFUSED_CERTIFICATE
    return StepFailure(error.kind.value)


def shown_chain(protection: Protection) -> tuple[tuple[str, ...], tuple[ShownCertificate, ...]]:
    """The names in the provider's certificate, and its chain."""
    if not protection.chain:
        return (), ()
    chain = x509.load_pem_x509_certificates(protection.chain)[:MAX_CHAIN]
    shown = tuple(
        ShownCertificate(
            name=clean_text(one.subject.rfc4514_string(), MAX_TEXT),
            begins=one.not_valid_before_utc.isoformat(),
            ends=one.not_valid_after_utc.isoformat(),
        )
        for one in chain
    )
    return _names(chain[0])[:MAX_NAMES], shown


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    names = [*found.get_values_for_type(x509.DNSName)]
    names += map(str, found.get_values_for_type(x509.IPAddress))
    return tuple(clean_text(one, MAX_TEXT) for one in names)
