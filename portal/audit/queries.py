"""Queries of one chain's entries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from portal.audit.models import AuditEntry, Chain


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries; an empty field takes all."""

    who: str = ""
    "part of the actor's name"
    about: str = ""
    "part of the object's name, or the beginning of its id"
    verbs: tuple[str, ...] = field(default=())
    "whole verbs, or their beginnings that end with a full stop, such as `token.`"
    since: datetime | None = None
    until: datetime | None = None
    "not included"

    @property
    def is_narrow(self) -> bool:
        return any((self.who, self.about, self.verbs, self.since, self.until))


def entries(organization_id: UUID, wanted: AuditFilter) -> QuerySet[AuditEntry]:
    """Newest first."""
    rows = AuditEntry.objects.filter(organization_id=organization_id).order_by("-at", "-pk")
    if wanted.who:
        rows = rows.filter(actor_name__icontains=wanted.who)
    if wanted.about:
        named = Q(object_name__icontains=wanted.about) | Q(object_id__istartswith=wanted.about)
        rows = rows.filter(named)
    if wanted.verbs:
        of_verb = Q()
        for verb in wanted.verbs:
            of_verb |= Q(verb__startswith=verb) if verb.endswith(".") else Q(verb=verb)
        rows = rows.filter(of_verb)
    if wanted.since:
        rows = rows.filter(at__gte=wanted.since)
    return rows.filter(at__lt=wanted.until) if wanted.until else rows


def chain(organization_id: UUID) -> Chain:
    """Unsaved if nothing of it was sealed yet."""
    found = Chain.objects.filter(organization_id=organization_id).first()
    return found or Chain(organization_id=organization_id)
