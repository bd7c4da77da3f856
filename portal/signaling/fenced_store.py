"""Save a provider's answer even when the database, or our own code, refuses part of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar
from uuid import UUID

from django.db import Error

from dots_client import DotsError, SessionClosed
from portal.core.database import is_away
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.services import ProviderReport
from portal.signaling import database_clock, leases
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.lease_fence import LeaseFence

logger = logging.getLogger(__name__)

WRITE_PAUSE_S: Final = 0.5
MAX_WRITE_PAUSE_S: Final = 5.0
DETAILS: Final[Mapping[str, Any]] = {"reason": "", "conflict": None, "gateways": ""}
"""Service arguments that contain text or numbers from a provider, and the value that replaces each."""

P = ParamSpec("P")
T = TypeVar("T")


class NotSaved(Exception):
    """The provider answered, but only the fact of its answer could be saved."""


def without_details(told: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that decide, such as a code, a status or a time, without the provider's own words and numbers."""
    return {name: _bare(name, value) for name, value in told.items()}


def _bare(name: str, value: Any) -> Any:
    if isinstance(value, ProviderReport):
        return replace(
            value,
            mitigation_start=None,
            bytes_dropped=None,
            pkts_dropped=None,
            bps_dropped=None,
            pps_dropped=None,
            conflict=None,
        )
    return DETAILS.get(name, value)


class FencedStore:
    """Writes for one subscription while `owner` holds it, however long the database is away."""

    def __init__(
        self, *, subscription_id: UUID, owner: str, threads: DatabaseThreads, fence: LeaseFence
    ) -> None:
        self.subscription_id = subscription_id
        self._owner = owner
        self._threads = threads
        self._fence = fence

    async def write(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Save what happened on the wire, unless another worker holds the subscription now.

        If the provider's own words or numbers make that fail, save the outcome without them.
        """
        whole = partial(call, *args, **kwargs)
        try:
            return await self._write(whole)
        except DotsError:
            raise
        except Exception as error:
            # A provider's text or numbers may make drivers, fields or our own code raise anything. If the second write
            # fails too, its trace contains this error.
            bare = without_details(kwargs)
            if bare == kwargs:
                raise
            result = await self._write(partial(call, *args, **bare))
            logger.error(
                "subscription %s: %s saved without the provider's details",
                self.subscription_id, call.__name__, exc_info=error,
            )  # fmt: skip
            return result

    async def _write(self, call: Callable[[], T]) -> T:
        return await self.until_done(leases.write_as_owner, self.subscription_id, self._owner, call)

    async def until_done(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Retry however long the database is away, while we hold the subscription."""
        return await self._repeat(self._threads.run, call, *args, **kwargs)

    async def until_done_first(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same, ahead of other database work, because a person's request waits for it."""
        return await self._repeat(self._threads.run_first, call, *args, **kwargs)

    async def _repeat(
        self,
        run: Callable[..., Awaitable[T]],
        call: Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        pause = WRITE_PAUSE_S
        while self._fence.is_open():
            try:
                return await run(call, *args, **kwargs)
            except leases.NotOwner:
                logger.warning("subscription %s: another worker holds it", self.subscription_id)
                self._fence.close()
            except Error as error:
                if not is_away(error):
                    raise
                logger.warning("subscription %s: cannot write yet: %s", self.subscription_id, error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, MAX_WRITE_PAUSE_S)
        raise SessionClosed("the subscription is not this worker's any more")

    async def _mark(self, row: Mitigation, failure: Exception, *, is_answered: bool) -> None:
        """When an outcome cannot be saved, save at least that there was one."""
        logger.error("%s: an outcome cannot be saved", self._name(row), exc_info=failure)
        try:
            await self.write(
                services.mark_failure,
                mitigation_id=row.pk,
                is_answered=is_answered,
                now=database_clock.now(),
            )
        except DotsError:
            raise
        except Exception:
            # The cause of the first failure may also prevent this write, and nothing else is left to try.
            logger.exception("%s: nor that there was one", self._name(row))

    def _name(self, row: Mitigation) -> str:
        return f"subscription {self.subscription_id} mid {row.mid}"
