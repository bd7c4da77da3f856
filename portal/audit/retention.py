"""Remove the oldest entries of a chain, and keep what the rest is verified from."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from portal.audit.append_only import YOUNGEST_CUT_DAYS
from portal.audit.models import PORTAL_CHAIN, AuditEntry, Chain, Cut, Seal
from portal.audit.recording import PORTAL, Object, record_entry
from portal.audit.verbs import Verb

MAX_BATCH: Final = 5_000
"""Entries that one cut removes at most: the next run continues."""
MIN_SEALED: Final = timedelta(days=YOUNGEST_CUT_DAYS)


def cut_all(*, before: datetime) -> int:
    """Remove what is older from every chain. Returns the number of entries."""
    chains = Chain.objects.order_by("pk").values_list("pk", flat=True)
    return sum(cut(one, before=before) for one in chains)


@transaction.atomic
def cut(organization_id: UUID, *, before: datetime) -> int:
    """Remove the first entries of a chain up to the first that must stay: one from `before` or
    later, or one sealed less than YOUNGEST_CUT_DAYS ago. Returns how many.

    The cut, with the hash of its last place, is an entry of the same chain.
    """
    Chain.objects.select_for_update().get(organization_id=organization_id)
    seals = Seal.objects.filter(organization_id=organization_id).order_by("seq")
    young = Q(entry__at__gte=before) | Q(sealed_at__gte=timezone.now() - MIN_SEALED)
    stays = seals.filter(young).values_list("seq", flat=True).first()
    old = list((seals if stays is None else seals.filter(seq__lt=stays))[:MAX_BATCH])
    if not old:
        return 0
    last = old[-1]
    Cut.objects.create(
        organization_id=organization_id,
        through_seq=last.seq,
        hash=last.hash,
        at=timezone.now(),
    )
    # Entries first: a trigger finds out from the seal whether an entry is part of a cut.
    AuditEntry.objects.filter(pk__in=[one.entry_id for one in old]).delete()
    seals.filter(seq__lte=last.seq).delete()
    record_entry(
        Verb.CUT,
        actor=PORTAL,
        organization_id=organization_id,
        about=Object("chain", "" if organization_id == PORTAL_CHAIN else organization_id),
        after={"through_seq": last.seq, "hash": last.hash, "entries": len(old)},
    )
    return len(old)
