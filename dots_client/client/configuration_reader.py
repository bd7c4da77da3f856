"""Read and write the session configuration (RFC 9132 section 4.5)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from aiocoap import Code

from dots_client.client.request_layer import Request, RequestLayer
from dots_client.client.responses import max_age_of, raise_for
from dots_client.codec import config_path, decode_config, encode_config
from dots_client.errors import DecodeError, DotsError, Refused, RemoteProtocolError, SessionClosed
from dots_client.model import SignalConfig
from dots_client.session import SessionConfiguration, SessionParameters

log = logging.getLogger("dots_client")


class ConfigurationReader:
    """Keeps the known configuration fresh."""

    def __init__(
        self,
        requests: RequestLayer,
        *,
        parameters: Callable[[], SessionParameters],
        is_mitigating: Callable[[], bool],
        on_change: Callable[[], None],
    ) -> None:
        self.known = SessionConfiguration()
        self._requests = requests
        self._parameters = parameters
        self._is_mitigating = is_mitigating
        self._on_change = on_change
        self._sid: int | None = None
        self._rescheduled = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Read now, and again before each Max-Age ends.

        Use the defaults if the server has no configuration.
        """
        while True:
            await self._try_to_read()
            await self._until_refresh()

    async def read(self) -> SignalConfig:
        """The configuration in force and the limits for changes."""
        request = Request(code=Code.GET, path=config_path(self._sid))
        response = await self._requests.request_confirmable(request, self._parameters())
        try:
            raise_for(response)
        except Refused:
            # The server no longer knows this sid: the next read asks without one.
            self._sid = None
            raise
        try:
            config = decode_config(response.payload)
        except DecodeError as error:
            raise RemoteProtocolError(f"the configuration cannot be read: {error}") from error
        self._sid = config.sid if config.sid is not None else self._sid
        self._take_over(config, max_age_s=max_age_of(response))
        return config

    async def write(self, config: SignalConfig, sid: int) -> None:
        body = encode_config(config)
        self.known.use_sid(sid)
        request = Request(code=Code.PUT, path=config_path(sid), payload=body)
        response = await self._requests.request_confirmable(request, self._parameters())
        raise_for(response)
        self._sid = sid
        self._take_over(config, max_age_s=max_age_of(response))

    async def restore(self) -> SignalConfig:
        """Return to the server's defaults (RFC 9132 section 4.5.4) and read them."""
        request = Request(code=Code.DELETE, path=config_path())
        raise_for(await self._requests.request_confirmable(request, self._parameters()))
        self._sid = None
        return await self.read()

    def reschedule(self) -> None:
        """Set the refresh timer again, after `is_mitigating` changed."""
        self._rescheduled.set()

    def _take_over(self, config: SignalConfig, *, max_age_s: int) -> None:
        self.known.received(config, now=self._loop.time(), max_age_s=max_age_s)
        self._on_change()
        self._rescheduled.set()

    async def _try_to_read(self) -> None:
        try:
            await self.read()
        except SessionClosed:
            raise
        except DotsError as error:
            log.info("%s: no configuration: %s", self._requests.link.peer, error)
            self.known.confirmed(now=self._loop.time(), max_age_s=None)

    async def _until_refresh(self) -> None:
        while True:
            self._rescheduled.clear()
            refresh_at = self.known.next_refresh(is_mitigating=self._is_mitigating())
            try:
                async with asyncio.timeout_at(refresh_at):
                    await self._rescheduled.wait()
            except TimeoutError:
                return
