"""Find out whether a provider uses one of our mids for something else, as after a backup was
restored.

What the provider holds decides, never the text of its refusal.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from dots_client import (
    Client,
    ConflictCause,
    Conflicted,
    NoAnswer,
    Refused,
    RemoteProtocolError,
    ServerUnavailable,
    own_winner,
)
from portal.mitigations.models import Mitigation
from portal.mitigations.states import Status
from portal.signaling.inventory import inventory_query
from portal.signaling.inventory.inventory_comparison import is_in_use, is_same_scope, next_mid_after
from portal.signaling.leasing import database_clock

logger = logging.getLogger(__name__)

IN_USE_CODES: Final = ("4.00", "4.09")
"""A server may refuse a new mitigation with these because of its mid (RFC 9132 section 4.4.1.3)."""
CHECK_S: Final = 3.0
"""Wait at most this long for the inventory: the request to the next provider waits for
the verdict.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a refusal of a mitigation means for its mid."""

    is_of_the_mid: bool | None
    "None: perhaps; the provider does not say what it holds"
    next_mid: int = 0
    "the lowest mid above all those known to be in use"
    is_listed: bool = False
    "the provider listed everything it holds"


NOT_OF_THE_MID: Final = Refusal(is_of_the_mid=False)


async def classify_refusal(
    client: Client,
    row: Mitigation,
    error: Refused,
    row_of: Callable[[int], Awaitable[Mitigation | None]],
) -> Refusal:
    """Ask the provider what it holds when it may have refused a new mitigation because of the mid.

    `row_of` finds the row of the same subscription with a mid.
    """
    is_new = row.status == Status.PENDING and row.confirmed_at is None
    if not is_new or error.code not in IN_USE_CODES:
        return NOT_OF_THE_MID
    conflict = error.conflict if isinstance(error, Conflicted) else None
    if conflict is not None and conflict.cause == ConflictCause.CUID_COLLISION:
        return NOT_OF_THE_MID
    winner = None if conflict is None else own_winner(conflict)
    in_question = (row.mid,) if winner is None else (row.mid, winner)
    answer = await inventory_query.query_inventory(client, also=in_question, within_s=CHECK_S / 2)
    winner_row = None if winner is None else await row_of(winner)
    verdict = is_in_use(row, answer, database_clock.now(), winner=winner, winner_row=winner_row)
    return Refusal(
        # A conflict with another client names its cause; only a bare refusal leaves doubt.
        is_of_the_mid=verdict if conflict is None else bool(verdict),
        next_mid=next_mid_after(*in_question, *answer.held),
        is_listed=answer.is_listed,
    )


async def is_of_another(client: Client, row: Mitigation) -> bool:
    """Whether the provider uses the mid of a mitigation that it never confirmed for
    something else.
    """
    if row.confirmed_at is not None:
        return False
    try:
        async with asyncio.timeout(CHECK_S):
            report = await client.status(row.mid)
    except (Refused, ServerUnavailable, RemoteProtocolError, NoAnswer, TimeoutError):
        return False
    return is_same_scope(report, row) is False
