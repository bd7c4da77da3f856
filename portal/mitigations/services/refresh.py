"""Ask a provider to confirm now that it still holds a mitigation."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.core.broadcast import wake_on_commit
from portal.mitigations.models import Wanted
from portal.mitigations.services.locks import lock_mitigation
from portal.mitigations.states import CONFIRMED


@transaction.atomic
def ask_refresh(*, mitigation_id: UUID) -> datetime | None:
    """Ask the provider to confirm now that it still holds it. Returns the time of the request; None
    if it is not held.
    """
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.wanted == Wanted.WITHDRAWN or mitigation.status not in CONFIRMED:
        return None
    mitigation.refresh_asked_at = timezone.now()
    mitigation.save(update_fields=["refresh_asked_at"])
    wake_on_commit(mitigation.subscription_id)
    return mitigation.refresh_asked_at
