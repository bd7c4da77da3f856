"""What to do when a cuid belongs to somebody else, or the mids come to their end (RFC 9132 section 4.4.1)."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final

from dots_client.client.client import Client
from dots_client.client.request_layer import OnSent
from dots_client.errors import Conflicted
from dots_client.identity import random_cuid
from dots_client.model import MitigationReport, Scope
from dots_client.session import MidAllocator
from dots_client.session.conflicts import needs_new_cuid

MAX_CUIDS: Final = 3
"""Tried for one request; two random ones that collide are no accident."""

_rng = random.SystemRandom()


async def request_with_any_cuid(
    client: Client,
    mid: int,
    scope: Scope,
    *,
    on_new_cuid: Callable[[str], None],
    on_sent: OnSent | None = None,
) -> MitigationReport:
    """`Client.request()`, again under a random cuid when another client has this one.

    For clients without mitigations under the present cuid only: it must not change while there are
    some (SC-028). `on_new_cuid` is told before the new cuid is used, so that it can be kept; the
    client has it from then on. Raises what `Client.request()` raises, Conflicted after 3 collisions.
    """
    for _ in range(MAX_CUIDS - 1):
        try:
            return await client.request(mid, scope, on_sent=on_sent)
        except Conflicted as refusal:
            if not needs_new_cuid(refusal.conflict):
                raise
        cuid = random_cuid(_rng)
        on_new_cuid(cuid)
        client.cuid = cuid
    return await client.request(mid, scope, on_sent=on_sent)


async def roll_over(
    client: Client,
    mids: MidAllocator,
    preconfigured: Mapping[int, Scope],
    *,
    is_under_attack: bool,
    on_renumbered: Callable[[int, int], None],
) -> None:
    """Start mids at 0 again and make the preconfigured requests anew (SC-034).

    Due when `mids.should_roll_over`. `preconfigured` are those the server holds, by mid. Each is
    withdrawn under its old mid and requested under its new one; `on_renumbered(old, new)` is told
    after each, and one that failed in between has to be requested by the caller. Raises
    LocalProtocolError under attack, and what `Client.withdraw()` and `Client.request()` raise.
    """
    renumbered = mids.roll_over(is_under_attack=is_under_attack, preconfigured=preconfigured)
    for old, new in renumbered.items():
        await client.withdraw(old)
        await client.request(new, preconfigured[old])
        on_renumbered(old, new)
