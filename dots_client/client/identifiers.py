"""Change identifiers: a cuid that another client has, and mids near their end.

RFC 9132 section 4.4.1.
"""

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
"""Cuids tried for one request. Two random ones do not collide by accident."""

_rng = random.SystemRandom()


async def request_with_any_cuid(
    client: Client,
    mid: int,
    scope: Scope,
    *,
    on_new_cuid: Callable[[str], None],
    on_sent: OnSent | None = None,
) -> MitigationReport:
    """`Client.request()`, retried under a random cuid if another client has ours.

    Use it only while the client has no mitigations: their cuid must not change (SC-028).
    `on_new_cuid` is called with each new cuid before its first use, so that the caller can save it;
    `client.cuid` changes too. Raises what `Client.request()` raises; Conflicted after 3 collisions.
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
    """Start mids at 0 again and renumber the preconfigured requests (SC-034).

    Due when `mids.should_roll_over`. `preconfigured` has the requests that the server holds, by
    mid. Each is withdrawn under its old mid and requested under a new one; then `on_renumbered(old,
    new)` is called. If a request fails, the caller has to repeat it. Raises LocalProtocolError
    under attack, and what `Client.withdraw()` and `Client.request()` raise.
    """
    renumbered = mids.roll_over(is_under_attack=is_under_attack, preconfigured=preconfigured)
    for old, new in renumbered.items():
        await client.withdraw(old)
        await client.request(new, preconfigured[old])
        on_renumbered(old, new)
