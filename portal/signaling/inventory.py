"""Asks a server what it holds for our cuid (RFC 9132 section 4.4.2)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from dots_client import (
    Client,
    MitigationReport,
    Refused,
    RemoteProtocolError,
    ServerUnavailable,
)
from portal.signaling.comparison import Told

logger = logging.getLogger(__name__)

HOLDS_NOTHING: Final = "4.04"
UNREADABLE: Final = "unreadable"
SILENCE: Final = "silence"
MAX_AT_ONCE: Final = 8
"""Mids asked for one by one, at most, at the same time."""


async def ask(client: Client, *, also: Iterable[int] = (), within_s: float) -> Told:
    """Ask what the server holds. Waits `within_s` for the list, and as long again for mids the list leaves out.

    Some servers list only a part, or refuse to list: each mid of `also` that is not listed gets a question of its own.
    Raises SessionClosed.
    """
    held, refusal = await _listed(client, within_s)
    left_out = sorted(set(also) - held.keys())
    places = asyncio.Semaphore(MAX_AT_ONCE)

    async def one(mid: int) -> MitigationReport | bool:
        async with places:
            return await _one(client, mid, within_s)

    answers = await asyncio.gather(*(one(mid) for mid in left_out))
    absent = set()
    for mid, answer in zip(left_out, answers, strict=True):
        if isinstance(answer, MitigationReport):
            held[mid] = answer
        elif answer:
            absent.add(mid)
    return Told(held=held, absent=frozenset(absent), refusal=refusal)


async def _listed(client: Client, within_s: float) -> tuple[dict[int, MitigationReport], str]:
    """The listed mitigations by mid, and the reason when the server gave no list."""
    try:
        async with asyncio.timeout(within_s):
            reports = await client.statuses()
    except Refused as error:
        return {}, "" if error.code == HOLDS_NOTHING else error.code
    except ServerUnavailable as error:
        return {}, error.code
    except RemoteProtocolError as error:
        logger.info("no list of mitigations: %s", error)
        return {}, UNREADABLE
    except TimeoutError:
        return {}, SILENCE
    return {report.mid: report for report in reports if report.mid is not None}, ""


async def _one(client: Client, mid: int, within_s: float) -> MitigationReport | bool:
    """The server's report; True: it does not hold the mid; False: it does not say."""
    try:
        async with asyncio.timeout(within_s):
            return await client.status(mid)
    except Refused as error:
        return error.code == HOLDS_NOTHING
    except (ServerUnavailable, RemoteProtocolError, TimeoutError) as error:
        logger.info("mid %s: no status: %s", mid, error or SILENCE)
        return False
