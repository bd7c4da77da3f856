"""One transaction of the ledger: save the numbers that this worker still may write, in spite of
reports that cannot be saved.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from portal.core.database import is_away
from portal.mitigations import services
from portal.mitigations.services import HeardReport, SavedNumbers
from portal.signaling.leasing import database_clock, leases
from portal.signaling.store.fenced_store import FencedStore

logger = logging.getLogger(__name__)

StoredReport = tuple[FencedStore, HeardReport]
"""A report, with the store of its subscription."""


def save_numbers(reports: Sequence[StoredReport]) -> SavedNumbers:
    """Save the reports that change only numbers, at most one of each mitigation. One that cannot be
    saved, or whose lease is lost, counts as undecided; the others are saved.

    Runs in a database thread. Raises the database's error if it is away.
    """
    if not reports:
        return SavedNumbers()
    try:
        return _save_together(reports)
    except Exception as error:
        # A provider's numbers may make drivers, fields or our own code raise anything.
        if is_away(error):
            raise
        if len(reports) == 1:
            _, report = reports[0]
            logger.exception("the numbers of mitigation %s are not saved", report.mitigation_id)
            return SavedNumbers(undecided=frozenset({report.mitigation_id}))
    half = len(reports) // 2
    first, second = save_numbers(reports[:half]), save_numbers(reports[half:])
    return SavedNumbers(first.undecided | second.undecided, first.locked | second.locked)


@transaction.atomic
def _save_together(reports: Sequence[StoredReport]) -> SavedNumbers:
    asked = defaultdict[str, set[UUID]](set)
    for store, _ in reports:
        asked[store.owner].add(store.subscription_id)
    owned = {(owner, one) for owner, ids in asked.items() for one in leases.still_owned(owner, ids)}
    ours: list[HeardReport] = []
    lost: set[UUID] = set()
    for store, report in reports:
        # The lease may be a later one than the store's.
        if store.is_open and (store.owner, store.subscription_id) in owned:
            ours.append(report)
        else:
            lost.add(report.mitigation_id)
    saved = services.record_numbers(ours, clock=database_clock.now)
    return SavedNumbers(saved.undecided | lost, saved.locked)
