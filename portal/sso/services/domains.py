"""Email domains: which ones an organization names, and the check of their TXT records."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import dns.exception
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.audit.recording import record_row
from portal.audit.verbs import Verb
from portal.core.errors import FieldError, NotFound
from portal.core.targets import Kind, TargetError, read
from portal.core.wording.targets import field_error
from portal.events.log import lock_log
from portal.organizations.access import require_current_role
from portal.organizations.claims import why_too_broad
from portal.organizations.models import Organization, ResourceKind, Role
from portal.ownership.dns_proof import dns_proof
from portal.ownership.evidence import Evidence, Network
from portal.ownership.states import NEGATIVE, ProofResult
from portal.sso.models import EmailDomain
from portal.sso.services.ending import end_sessions

MAX_DOMAINS: Final = 20
"""of one organization"""
DEADLINE_S: Final = 30.0
ABANDONED_AFTER: Final = timedelta(seconds=120)
BATCH: Final = 10
MAX_RECHECKS: Final = 50
RECHECK_AFTER: Final = timedelta(days=7)
GRACE: Final = timedelta(days=21)
"""How long a record may be missing before the domain is no longer proved."""


def read_domains(typed: Sequence[str]) -> tuple[list[str], list[FieldError]]:
    """The names in normal form without repetitions, and what is wrong."""
    names: dict[str, None] = {}
    errors: list[FieldError] = []
    if len(typed) > MAX_DOMAINS:
        message = f"At most {MAX_DOMAINS} domains are possible."
        return [], [FieldError("domains", "too-many", message)]
    for number, text in enumerate(typed):
        try:
            target = read(text, ResourceKind.FQDN)
        except TargetError as error:
            errors.append(field_error(f"domains.{number}", error))
            continue
        if target.kind != Kind.FQDN or (why := why_too_broad(target)):
            message = why if target.kind == Kind.FQDN else "This is not a domain."
            errors.append(FieldError(f"domains.{number}", "too-broad", message))
            continue
        names[str(target)] = None
    return list(names), errors


def set_domains(organization: Organization, names: Sequence[str]) -> None:
    """The domains of the organization from now on; new ones are checked. The caller holds the lock
    of the log, and records the change.
    """
    own = EmailDomain.objects.filter(organization=organization)
    own.exclude(name__in=names).delete()
    known = set(own.values_list("name", flat=True))
    EmailDomain.objects.bulk_create(
        EmailDomain(organization=organization, name=name, asked_at=timezone.now())
        for name in names
        if name not in known
    )


@transaction.atomic
def ask_check(*, organization: Organization, domain_id: UUID, actor: Actor) -> EmailDomain:
    """Look for the record now, or soon. A check that waits already is enough."""
    require_current_role(organization.pk, actor, Role.ADMIN)
    own = EmailDomain.objects.filter(organization=organization, pk=domain_id)
    domain = own.first()
    if domain is None:
        raise NotFound
    own.filter(asked_at__isnull=True).update(asked_at=timezone.now(), started_at=None)
    domain.refresh_from_db()
    return domain


def begin_rechecks(now: datetime) -> int:
    """Ask for the checks that are due each week; how many."""
    due = EmailDomain.objects.filter(
        asked_at__isnull=True, proved_at__isnull=False, checked_at__lte=now - RECHECK_AFTER
    ).order_by("checked_at")
    chosen = list(due.values_list("pk", flat=True)[:MAX_RECHECKS])
    return EmailDomain.objects.filter(pk__in=chosen).update(asked_at=now, started_at=None)


def make_due_checks(network: Network, now: datetime) -> int:
    """Make the oldest checks that wait, at the same time; how many."""
    waits = Q(started_at__isnull=True) | Q(started_at__lte=now - ABANDONED_AFTER)
    due = EmailDomain.objects.filter(waits, asked_at__isnull=False).order_by("asked_at")[:BATCH]
    # Another worker may take it at the same time; one of them changes the row.
    taken = [
        one
        for one in due
        if EmailDomain.objects.filter(pk=one.pk, started_at=one.started_at).update(started_at=now)
    ]
    if taken:
        for domain, evidence in zip(taken, asyncio.run(_look(taken, network)), strict=True):
            save_result(domain, evidence, timezone.now())
    return len(taken)


async def _look(domains: Sequence[EmailDomain], network: Network) -> list[Evidence]:
    return await asyncio.gather(*(_look_for(one, network) for one in domains))


async def _look_for(domain: EmailDomain, network: Network) -> Evidence:
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await dns_proof([[domain.place]], domain.record, network)
    except (TimeoutError, dns.exception.DNSException):
        return Evidence(result=ProofResult.NO_ANSWER)


@transaction.atomic
def save_result(domain: EmailDomain, evidence: Evidence, now: datetime) -> None:
    """Write what a check found, and what follows for the domain."""
    lock_log(domain.organization_id)
    row = EmailDomain.objects.select_for_update().filter(pk=domain.pk).first()
    if row is None:
        return
    row.asked_at = row.started_at = None
    row.checked_at, row.result, row.is_taken = now, evidence.result.value, False
    if evidence.result == ProofResult.FOUND:
        row.missing_since = None
        if row.proved_at is None:
            _prove(row, now)
    elif evidence.result in NEGATIVE and row.proved_at is not None:
        row.missing_since = row.missing_since or now
        if now - row.missing_since >= GRACE:
            row.proved_at = row.missing_since = None
            end_sessions(row.organization_id)
            record_row(Verb.SSO_DOMAIN_UNPROVED, row, Actor.portal())
    row.save()


def _prove(row: EmailDomain, now: datetime) -> None:
    try:
        # Of two organizations that prove it at the same time, the constraint refuses one.
        with transaction.atomic():
            EmailDomain.objects.filter(pk=row.pk).update(proved_at=now)
    except IntegrityError:
        row.is_taken = True
        return
    row.proved_at = now
    record_row(Verb.SSO_DOMAIN_PROVED, row, Actor.portal())
