"""Decide whether a request is redundant beside a newer one that filters. A pure function of
rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from portal.mitigations.models import (
    Mitigation,
    MitigationRequest,
    Strategy,
)
from portal.mitigations.overlaps import Coverage, losses
from portal.mitigations.replacement import coverage_of
from portal.mitigations.validation import INDEFINITE

FOREVER: Final = datetime.max.replace(tzinfo=UTC)


def is_redundant(
    older: MitigationRequest,
    still_filtering: Sequence[Mitigation],
    newer: MitigationRequest,
    filtering: Sequence[Mitigation],
) -> bool:
    """Whether ending `older` removes no protection, now or later.

    `newer` must cover all of it, and filter everything that it still gets for at least as long.
    Targets of `older` that no provider protects would be retried for a whole lifetime from then on,
    so beside those it is redundant only if `newer` is indefinite.

    `still_filtering`: the mitigations of `older` that may filter. `filtering`: those of `newer`
    that do. A request to all providers in parallel is compared provider by provider.
    """
    if not filtering or losses(_asked_for(older), [_asked_for(newer)]):
        return False
    if older.strategy == Strategy.PARALLEL and newer.strategy != Strategy.PARALLEL:
        return False
    is_endless = all(_known_end(one) == FOREVER for one in filtering)
    if not is_endless and losses(
        _asked_for(older), [coverage_of(mitigation) for mitigation in still_filtering]
    ):
        return False
    return all(
        not losses(
            coverage_of(mitigation),
            [
                coverage_of(one)
                for one in filtering
                if (
                    older.strategy == Strategy.FAILOVER
                    or one.subscription_id == mitigation.subscription_id
                )
                and _lasts_as_long(one, mitigation)
            ],
        )
        for mitigation in still_filtering
    )


def _lasts_as_long(newer: Mitigation, older: Mitigation) -> bool:
    until = _known_end(newer)
    return until is not None and until >= (_known_end(older) or FOREVER)


def _known_end(mitigation: Mitigation) -> datetime | None:
    """When it ends unless a person acts; FOREVER if it renews automatically or is indefinite; None
    if unknown.
    """
    if mitigation.request.auto_renew:
        return FOREVER
    if mitigation.is_extended:
        return None
    if mitigation.expires_at is None and mitigation.confirmed_at is not None:
        return FOREVER if mitigation.lifetime_s == INDEFINITE else None
    return mitigation.expires_at


def _asked_for(request: MitigationRequest) -> Coverage:
    return Coverage.of(request.scope, request.ports, request.protocols)
