"""The requests of a client about mitigations (RFC 9132 section 4.4)."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from aiocoap import Code, Message

from dots_client.client.observation import Observation
from dots_client.client.path_mtu import request_within_path_mtu
from dots_client.client.request_layer import OnSent, Request
from dots_client.client.responses import (
    NOT_GRANTED,
    NOT_WITHDRAWN,
    all_reports,
    granted_report,
    raise_for,
    reported_status,
)
from dots_client.client.session import Session
from dots_client.client.settings import BLOCK_SIZES
from dots_client.codec import encode_request, mitigate_path
from dots_client.errors import NoAnswer, Refused
from dots_client.model import AttackStatus, MitigationReport, Scope

EFFICACY_DEADLINE_S: Final = 30.0
"""A server that does not hold the mitigation does not answer (RFC 9132 section 4.4.3)."""

_NOT_FOUND: Final = "4.04"
_rng: Final = random.SystemRandom()


class Client(Session):
    """A session with one server and the requests for mitigation in it. `connect()` makes it."""

    async def request(
        self, mid: int, scope: Scope, *, on_sent: OnSent | None = None
    ) -> MitigationReport:
        """Request a mitigation, or refresh it (RFC 9132 section 4.4.1).

        Returns what the server granted. The request is repeated until the server answers: bound it
        with `asyncio.timeout`. `mid` is 0-4294967295. `on_sent` gets the number of transmissions so
        far. Raises Refused, Conflicted, ServerUnavailable, Redirected, UnexpectedAnswer and
        SessionClosed; EncodeError and LocalProtocolError for a scope that must not or cannot be
        sent; RequestTooLarge also if the path drops datagrams of this size.
        """
        request = Request(
            code=Code.PUT, path=mitigate_path(self.cuid, mid), payload=encode_request(scope)
        )
        response = await request_within_path_mtu(
            self._requests,
            request,
            probe=Request(code=Code.GET, path=request.path),
            on_sent=on_sent,
        )
        raise_for(response, unexpected=NOT_GRANTED)
        return granted_report(response, mid)

    def check_request(self, mid: int, scope: Scope) -> None:
        """Raise the EncodeError, LocalProtocolError or SessionClosed that `request()` raises.

        Sends nothing.
        """
        path, payload = mitigate_path(self.cuid, mid), encode_request(scope)
        self._requests.check(Request(code=Code.PUT, path=path, payload=payload))

    async def efficacy(
        self,
        mid: int,
        scope: Scope,
        attack_status: AttackStatus,
        *,
        deadline_s: float = EFFICACY_DEADLINE_S,
    ) -> MitigationReport | None:
        """Report how effective the mitigation is (RFC 9132 section 4.4.3).

        `scope` is the requested one; the update also refreshes its lifetime. Returns None if the
        server does not answer within `deadline_s`, as for a mid that it does not know. Raises what
        `request()` raises; ServerUnavailable says after how many seconds to retry.
        """
        request = Request(
            code=Code.PUT,
            path=mitigate_path(self.cuid, mid),
            payload=encode_request(replace(scope, attack_status=attack_status)),
            must_exist=True,
        )
        try:
            response = await self._requests.request(request, deadline_s=deadline_s)
        except NoAnswer:
            return None
        raise_for(response, unexpected=NOT_GRANTED)
        return granted_report(response, mid)

    async def withdraw(self, mid: int, *, on_sent: OnSent | None = None) -> None:
        """Withdraw a mitigation (RFC 9132 section 4.4.4).

        A mid that the server does not know counts as withdrawn. The request is repeated until the
        server acknowledges it. The mitigation may continue for up to 300 seconds, with the status
        TERMINATING. Raises what `request()` raises.
        """
        request = Request(code=Code.DELETE, path=mitigate_path(self.cuid, mid))
        response = await self._requests.request(request, on_sent=on_sent)
        try:
            raise_for(response, unexpected=NOT_WITHDRAWN)
        except Refused as refusal:
            if refusal.code != _NOT_FOUND:
                raise

    async def status(self, mid: int) -> MitigationReport:
        """The server's report on one mitigation; Refused with 4.04 if it knows none."""
        response = await self._get(mitigate_path(self.cuid, mid))
        return reported_status(response, mid)

    async def statuses(self) -> tuple[MitigationReport, ...]:
        """The server's reports on all mitigations of this cuid.

        Refused with 4.04 if there are none.
        """
        return all_reports(await self._get(mitigate_path(self.cuid)))

    @asynccontextmanager
    async def observe(self, mid: int) -> AsyncIterator[AsyncIterator[MitigationReport]]:
        """An iterator of the server's reports on one mitigation (RFC 9132 section 4.4.2, RFC 7641).

        It raises the error that ends it: Refused with 4.04 when the mitigation is gone,
        SessionClosed when the session ends.
        """
        observation = Observation(
            self._requests,
            path=mitigate_path(self.cuid, mid),
            mid=mid,
            rng=_rng,
            settings=self._settings,
        )
        observation.start()
        try:
            yield observation
        finally:
            observation.leave()

    async def _get(self, path: tuple[str, ...]) -> Message:
        request = Request(code=Code.GET, path=path, block2=self._preferred_block())
        response = await self._requests.request_blockwise(request)
        raise_for(response)
        return response

    def _preferred_block(self) -> tuple[int, bool, int] | None:
        """Block2 of the first request, with the preferred size (RFC 9132 section 4.4.2)."""
        size = self._settings.block_bytes
        return None if size is None else (0, False, BLOCK_SIZES[size])
