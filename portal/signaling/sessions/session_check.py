"""Check that a session with new settings works before it replaces the current one."""

from __future__ import annotations

import asyncio
from typing import Final

from dots_client import Client, DotsError, NoAnswer, Refused, SessionClosed
from portal.mitigations.states import UNAUTHORIZED_CODES

CHECK_WITHIN_S: Final = 10.0


async def check_session(client: Client, *unless: asyncio.Event) -> None:
    """Return when the server answers a request that only its clients may send, or when an event of
    `unless` is set.

    Raises DotsError if the server refuses this client, ends the session, or stays silent for
    CHECK_WITHIN_S.
    """
    asking = asyncio.create_task(_ask(client))
    needless = [asyncio.create_task(event.wait()) for event in unless]
    try:
        await asyncio.wait(
            {asking, *needless}, timeout=CHECK_WITHIN_S, return_when=asyncio.FIRST_COMPLETED
        )
        if asking.done():
            await asking
        elif not any(task.done() for task in needless) and not _is_heard(client):
            raise NoAnswer(f"{client.peer} did not answer within {CHECK_WITHIN_S:g} s")
    finally:
        for task in (asking, *needless):
            task.cancel()


async def _ask(client: Client) -> None:
    try:
        await client.statuses()
    except SessionClosed:
        raise
    except Refused as error:
        if error.code in UNAUTHORIZED_CODES:
            raise
    except DotsError:
        return  # odd, but an answer


def _is_heard(client: Client) -> bool:
    """Some servers answer heartbeats but not this request."""
    return client.last_heard_at > client.connected_at
