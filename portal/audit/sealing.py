"""Seal entries beside the transactions that write them, so that these never wait for each other.

Ids are given before a commit, so an entry may become visible after one with a higher id. The place
in the chain is therefore given here, in the order of ids among what is visible and unsealed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from portal.audit.chain import FIRST, VERSION, digest_of, hash_of
from portal.audit.models import AuditEntry, Chain, Seal

MAX_BATCH: Final = 500
"""Entries that one transaction seals."""
RECENT: Final = timedelta(hours=1)
"""How far back the frequent task looks. Another task looks at all entries."""


def seal_all(*, since: datetime | None = None) -> int:
    """Seal every unsealed entry that is not older than `since`. Returns how many there were."""
    unsealed = _unsealed(since).order_by().values_list("organization_id", flat=True).distinct()
    count = 0
    for organization_id in list(unsealed):
        sealed = MAX_BATCH
        while sealed == MAX_BATCH:
            sealed = _seal(organization_id, since)
            count += sealed
    return count


def _unsealed(since: datetime | None) -> QuerySet[AuditEntry]:
    rows = AuditEntry.objects.filter(~Exists(Seal.objects.filter(entry=OuterRef("pk"))))
    return rows if since is None else rows.filter(at__gte=since)


@transaction.atomic
def _seal(organization_id: UUID, since: datetime | None) -> int:
    """The next batch of one chain. 0 also if another process seals it now."""
    Chain.objects.get_or_create(organization_id=organization_id)
    chain = (
        Chain.objects.select_for_update(skip_locked=True)
        .filter(organization_id=organization_id)
        .first()
    )
    if chain is None:
        return 0
    entries = _unsealed(since).filter(organization_id=organization_id).order_by("pk")[:MAX_BATCH]
    now, seals = timezone.now(), []
    for entry in entries:
        digest = digest_of(entry.content(), VERSION)
        chain.hash = hash_of(
            previous=chain.hash or FIRST,
            organization_id=organization_id,
            seq=chain.seq + 1,
            digest=digest,
        )
        chain.seq += 1
        seals.append(
            Seal(
                entry=entry,
                organization_id=organization_id,
                seq=chain.seq,
                version=VERSION,
                digest=digest,
                hash=chain.hash,
                sealed_at=now,
            )
        )
    if seals:
        Seal.objects.bulk_create(seals)
        chain.save(update_fields=["seq", "hash"])
    return len(seals)
