"""Record what staff do in Django's admin, unless the service that does it appends an event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db import models

from portal.audit.models import PORTAL_CHAIN
from portal.audit.recording import Object, Source, record_entries
from portal.audit.verbs import Verb

VERBS: Final = {
    "added": Verb.STAFF_ADDED,
    "changed": Verb.STAFF_CHANGED,
    "deleted": Verb.STAFF_DELETED,
}


def record_staff_act(
    *,
    actor: Source,
    act: str,
    row: models.Model,
    before: Mapping[str, object] | None,
    after: Mapping[str, object] | None,
    reason: str,
    **_: Any,
) -> None:
    """Receives `staff_acted` of portal.core.admin. The entry belongs to the portal's chain, and to
    that of the organization which owns the row.
    """
    record_entries(
        VERBS[act],
        [PORTAL_CHAIN, *_owner(row)],
        actor=actor,
        about=Object(str(row._meta.model_name), row.pk, str(row)),
        before=before,
        after=after,
        reason=reason,
        is_by_staff=True,
    )


def _owner(row: models.Model) -> list[UUID]:
    if row._meta.label == "organizations.Organization":
        return [row.pk]
    owner = getattr(row, "organization_id", None)
    return [] if owner is None else [owner]
