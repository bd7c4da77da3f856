"""Record what the portal refused. Strangers can cause refusals at any rate, so these entries are
bounded, and one that cannot be saved changes nothing for the caller.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

from django.db import Error, transaction

from portal.audit.origin import Origin
from portal.audit.recording import Object, Source, record_entries
from portal.audit.verbs import Verb
from portal.core import throttle
from portal.core.database import is_away
from portal.core.errors import Throttled

logger = logging.getLogger(__name__)

REFUSALS: Final = throttle.Limit(name="audit-refusals", tries=60, window_s=60, message="")
"""Entries of one chain in a minute. The security log has a line, or a count, for the others."""


def record_refusal(
    verb: Verb,
    organization_ids: Collection[UUID],
    *,
    actor: Source | None,
    about: Object,
    after: Mapping[str, object],
    origin: Origin | None = None,
) -> None:
    """Insert one entry for each organization that has not had REFUSALS in this minute."""
    chains = [one for one in organization_ids if _has_room(one)]
    if not chains:
        return
    try:
        with transaction.atomic():
            record_entries(verb, chains, actor=actor, about=about, after=after, origin=origin)
    except Error as error:
        # A read-only database still answers, also with a refusal.
        if not is_away(error):
            raise
        logger.warning("a refusal was not recorded: %s", error)


def _has_room(organization_id: UUID) -> bool:
    try:
        throttle.count(REFUSALS, str(organization_id))
    except Throttled:
        return False
    return True
