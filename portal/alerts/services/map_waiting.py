"""Map payloads that wait. Organizations take turns, so a storm of one does not delay another."""

from __future__ import annotations

import logging
import random
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from time import monotonic
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, Window
from django.db.models.functions import RowNumber

from portal.accounts.actors import Actor
from portal.alerts.alert import MappingSettings, Rejection, RejectionCode
from portal.alerts.mapping import AlertSource, map_payload
from portal.alerts.models import AlertEndpoint, AlertPayload
from portal.alerts.services.save_alerts import Part, save_alerts
from portal.audit.recording import record_row
from portal.audit.verbs import Verb
from portal.core.database import is_away
from portal.core.sweeping import count_done
from portal.core.targets import Targets, Territory
from portal.organizations.access import require_current_role
from portal.organizations.models import ProtectedResource

_running: Final = threading.Lock()
_random: Final = random.SystemRandom()

logger = logging.getLogger(__name__)

PAYLOADS_PER_RUN: Final = 50
"""of one endpoint"""
PAYLOADS_AT_ONCE: Final = 20
"""Read in one turn of an organization."""
ALERTS_AT_ONCE: Final = 20
"""Saved in one transaction, which locks the organization's incidents: a person who decides about
one waits no longer than for these. A turn ends once it has as many. PostgreSQL ends a transaction
that computes for 5 s, which a starved machine may need for hundreds of milliseconds of work.
"""
RUN_FOR_S: Final = 0.4
"""A run that takes longer ends after the turn, and the next one looks again who waits: a payload
that came meanwhile waits no longer than for that.
"""


def map_waiting() -> int:
    """Map the oldest payloads of each endpoint; organizations take turns. Returns how many. One run
    at a time in a process: a second one would map the same.
    """
    if not _running.acquire(blocking=False):
        return 0
    try:
        until = monotonic() + RUN_FOR_S
        return count_done(_map_next, turns(waiting_payloads(), until))
    finally:
        _running.release()


def turns(waiting: Sequence[deque[UUID]], until: float) -> Iterator[deque[UUID]]:
    """Those of each organization in turn, until `until` or until all are empty."""
    while waiting := [one for one in waiting if one]:
        for own in waiting:
            if monotonic() >= until:
                return
            yield own


def waiting_payloads() -> list[deque[UUID]]:
    """The payloads of each organization: the oldest of each endpoint, then the second of each, and
    so on. Which organization begins is left to chance, so that none is behind another in each run.
    """
    place = Window(RowNumber(), partition_by=F("endpoint_id"), order_by=[F("received_at"), F("id")])
    waiting = (
        AlertPayload.objects.filter(is_waiting=True)
        .annotate(place=place)
        .filter(place__lte=PAYLOADS_PER_RUN)
        .order_by("place", "received_at")
        .values_list("organization_id", "id")
    )
    by_organization: dict[UUID, deque[UUID]] = defaultdict(deque)
    for organization_id, payload_id in waiting:
        by_organization[organization_id].append(payload_id)
    return _random.sample(list(by_organization.values()), len(by_organization))


def map_endpoint(endpoint_id: UUID) -> int:
    """Map the oldest payloads of one endpoint, one turn of them. Returns how many."""
    own = AlertPayload.objects.filter(endpoint=endpoint_id, is_waiting=True)
    oldest = own.order_by("received_at", "id").values_list("id", flat=True)
    return _map_next(deque(oldest[:PAYLOADS_AT_ONCE]))


def _map_next(waiting: deque[UUID]) -> int:
    """Map the first payloads of one organization, and remove them from `waiting`. Returns how many
    were mapped.
    """
    ids = [waiting.popleft() for _ in range(min(len(waiting), PAYLOADS_AT_ONCE))]
    found = AlertPayload.objects.filter(is_waiting=True).select_related("endpoint")
    payloads = found.in_bulk(ids)
    if not payloads:
        return 0
    organization_id = next(iter(payloads.values())).organization_id
    own = ProtectedResource.objects.filter(organization=organization_id)
    resources = list(own.filter(verified_at__isnull=False))
    territory = Territory.of(one.target for one in resources)
    parts: list[Part] = []
    while ids and sum(len(one.alerts) for one in parts) < ALERTS_AT_ONCE:
        payload = payloads.get(ids.pop(0))
        parts += [] if payload is None else _parts_of(payload, resources)
    waiting.extendleft(reversed(ids))
    return sum(_save(organization_id, several, territory) for several in _at_once(parts))


def _parts_of(payload: AlertPayload, resources: list[ProtectedResource]) -> list[Part]:
    """What a payload says. Until its last part is saved it waits: mapped again, its alerts are
    repeats.
    """
    try:
        mapped = map_payload(
            AlertSource(payload.endpoint.source),
            bytes(payload.body),
            mapping_settings(payload.endpoint, resources, payload.received_at),
        )
    except Exception:
        logger.exception("a payload of endpoint %s cannot be mapped", payload.endpoint_id)
        _reject(payload.pk)
        return []
    alerts = mapped.alerts
    starts = range(0, max(1, len(alerts)), ALERTS_AT_ONCE)
    return [
        Part(
            payload_id=payload.pk,
            alerts=alerts[start : start + ALERTS_AT_ONCE],
            rejections=mapped.rejections if start == starts[-1] else None,
        )
        for start in starts
    ]


def _at_once(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """As many as one transaction saves."""
    several: list[Part] = []
    for part in parts:
        if several and sum(len(one.alerts) for one in [*several, part]) > ALERTS_AT_ONCE:
            yield several
            several = []
        several.append(part)
    if several:
        yield several


def _save(organization_id: UUID, parts: Sequence[Part], territory: Territory) -> int:
    """Save parts together, or alone if one of them fails. Returns how many payloads are mapped."""
    try:
        return save_alerts(organization_id, parts, territory)
    except Exception as error:
        if is_away(error):
            raise
        if len(parts) > 1:
            return sum(_save(organization_id, [one], territory) for one in parts)
        logger.exception("payload %s cannot be saved", parts[0].payload_id)
        _reject(parts[0].payload_id)
        return 0


def _reject(payload_id: UUID) -> None:
    """The portal failed: a later release may map it again."""
    AlertPayload.objects.filter(pk=payload_id).update(
        is_waiting=False, rejections=(Rejection(0, RejectionCode.PORTAL_FAILED),)
    )


def mapping_settings(
    endpoint: AlertEndpoint, resources: list[ProtectedResource], received_at: datetime
) -> MappingSettings:
    """What the endpoint adds to a payload; only verified resources are targets."""
    targets = {one.pk: Targets.of([one.target]) for one in resources}
    default = endpoint.default_resource_id
    return MappingSettings(
        received_at=received_at,
        default=targets.get(default, Targets()) if default else Targets(),
        hosts={
            one.host: targets[one.resource] for one in endpoint.hosts if one.resource in targets
        },
        notices=frozenset(endpoint.notices),
    )


@transaction.atomic
def replay(*, payload: AlertPayload, actor: Actor) -> None:
    """Map a rejected payload again: its endpoint has other settings now, or the portal a better
    mapper. Alerts that it had already made are repeats.
    """
    require_current_role(payload.organization_id, actor)
    AlertPayload.objects.filter(pk=payload.pk).update(is_waiting=True, rejections=())
    record_row(Verb.ALERT_PAYLOAD_REPLAYED, payload.endpoint, actor)
