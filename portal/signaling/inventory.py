"""Asks a server what it holds for our cuid (RFC 9132 section 4.4.2)."""

from __future__ import annotations

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


async def ask(client: Client, *, also: Iterable[int] = ()) -> Told:
    """What the server holds; it waits for the answers as long as the session lasts.

    Some servers list only a part, or give no list: a mid of `also` that is not listed is asked for by itself.
    """
    held, refusal = await _listed(client)
    absent = set()
    for mid in sorted(set(also) - held.keys()):
        try:
            held[mid] = await client.status(mid)
        except Refused as error:
            if error.code == HOLDS_NOTHING:
                absent.add(mid)
        except (ServerUnavailable, RemoteProtocolError) as error:
            logger.info("mid %s: no status: %s", mid, error)
    return Told(held=held, absent=frozenset(absent), refusal=refusal)


async def _listed(client: Client) -> tuple[dict[int, MitigationReport], str]:
    """By mid; and why there is no list, if there is none."""
    try:
        reports = await client.statuses()
    except Refused as error:
        return {}, "" if error.code == HOLDS_NOTHING else error.code
    except ServerUnavailable as error:
        return {}, error.code
    except RemoteProtocolError as error:
        logger.info("no list of mitigations: %s", error)
        return {}, UNREADABLE
    return {report.mid: report for report in reports if report.mid is not None}, ""
