"""Ask a server which mitigations it holds for our cuid (RFC 9132 section 4.4.2)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dots_client import (
    Client,
    MitigationReport,
    NoAnswer,
    Refused,
    RemoteProtocolError,
    ServerUnavailable,
)
from portal.signaling.inventory.inventory_comparison import InventoryAnswer
from portal.signaling.retry_after import asked_wait_s, retry_wait_s

logger = logging.getLogger(__name__)

HOLDS_NOTHING: Final = "4.04"
UNREADABLE: Final = "unreadable"
SILENCE: Final = "silence"
MAX_CONCURRENT: Final = 8
"""Ask for at most this many mids one by one at the same time."""


@dataclass(slots=True)
class _Pause:
    """The longest pause that the server asked for."""

    wait_s: float = 0.0
    is_throttled: bool = False
    "it answered 4.29, which covers every request; a 5.03 may be about one of them alone"

    def take(self, error: Exception) -> None:
        self.wait_s = max(self.wait_s, retry_wait_s(error))
        self.is_throttled = self.is_throttled or asked_wait_s(error) > 0


async def query_inventory(
    client: Client, *, also: Iterable[int] = (), within_s: float
) -> InventoryAnswer:
    """Ask what the server holds. Waits `within_s` for the list, and as long again for mids that the
    list leaves out.

    Some servers list only a part, or refuse to list: each mid of `also` that is not listed is asked
    for alone, until the server answers 4.29. Raises SessionClosed.
    """
    pause = _Pause()
    held, refusal = await _listed(client, within_s, pause)
    left_out = sorted(set(also) - held.keys())
    places = asyncio.Semaphore(MAX_CONCURRENT)

    async def one(mid: int) -> MitigationReport | bool:
        async with places:
            return False if pause.is_throttled else await _one(client, mid, within_s, pause)

    answers = await asyncio.gather(*(one(mid) for mid in left_out))
    absent = set()
    for mid, answer in zip(left_out, answers, strict=True):
        if isinstance(answer, MitigationReport):
            held[mid] = answer
        elif answer:
            absent.add(mid)
    return InventoryAnswer(
        held=held, absent=frozenset(absent), refusal=refusal, wait_s=pause.wait_s
    )


async def _listed(
    client: Client, within_s: float, pause: _Pause
) -> tuple[dict[int, MitigationReport], str]:
    """The listed mitigations by mid, and the reason when the server gave no list."""
    try:
        async with asyncio.timeout(within_s):
            reports = await client.statuses()
    except (Refused, ServerUnavailable) as error:
        pause.take(error)
        return {}, "" if error.code == HOLDS_NOTHING else error.code
    except RemoteProtocolError as error:
        logger.info("no list of mitigations: %s", error)
        return {}, UNREADABLE
    except (NoAnswer, TimeoutError):
        return {}, SILENCE
    return {report.mid: report for report in reports if report.mid is not None}, ""


async def _one(client: Client, mid: int, within_s: float, pause: _Pause) -> MitigationReport | bool:
    """The server's report; True if it does not hold the mid; False if it does not say."""
    try:
        async with asyncio.timeout(within_s):
            return await client.status(mid)
    except (Refused, ServerUnavailable) as error:
        pause.take(error)
        return error.code == HOLDS_NOTHING
    except (RemoteProtocolError, NoAnswer, TimeoutError) as error:
        logger.info("mid %s: no status: %s", mid, error or SILENCE)
        return False
