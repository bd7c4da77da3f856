"""Fold alerts: a row for each event id of an endpoint, from its start to its end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from portal.alerts.alert import Alert, AlertState, AttackDirection
from portal.alerts.models import AlertEndpoint, AlertVerdict, ReceivedAlert
from portal.alerts.rates import with_report
from portal.core.json_value import write_json
from portal.core.many_rows import save_rows, update_many
from portal.core.targets import Territory

MAX_SEEN: Final = 50
"""Digests that one incident remembers."""
ORDER_SLACK: Final = timedelta(seconds=60)
"""An end may arrive this long before its start, if neither says when the attack began."""
_DIGEST_LENGTH: Final = 16
_CONTENT: Final = (
    "direction", "attacker", "protocols", "ports", "vector", "severity", "bps", "pps",
    "started_at", "link", "text",
)  # fmt: skip

_OF_REPEATS: Final = ("count", "last_at", "rates", "incident_id")
"""What a repeat may change."""

Key = tuple[UUID, str, bool]
"""An endpoint, the detector's event id, and whether the alert is a test."""


@dataclass(frozen=True, slots=True)
class Folded:
    """The row of an alert's incident, and whether the alert said anything new."""

    row: ReceivedAlert
    is_news: bool


class Fold:
    """Rows of one organization's alerts: read once, changed in memory, saved together.

    The caller has locked the organization, so that two alerts of an incident take turns.
    """

    def __init__(self, organization_id: UUID, keys: Collection[Key]) -> None:
        """`keys`: those of all alerts that follow."""
        self._organization_id = organization_id
        self._rows = _newest(keys)
        self._changed: dict[UUID, ReceivedAlert] = {}
        self._repeated: dict[UUID, ReceivedAlert] = {}

    @property
    def rows(self) -> Collection[ReceivedAlert]:
        return self._rows.values()

    def add(
        self,
        endpoint: AlertEndpoint,
        alert: Alert,
        territory: Territory,
        received_at: datetime,
        *,
        is_test: bool = False,
    ) -> Folded:
        """What `alert` adds."""
        key = (endpoint.pk, alert.event_id, is_test)
        row, digest = self._rows.get(key), _digest(alert)
        if row is None or _begins_again(row, alert, digest, received_at):
            row = self._rows[key] = ReceivedAlert(
                organization_id=self._organization_id,
                endpoint=endpoint,
                event_id=alert.event_id,
                is_test=is_test,
                first_at=received_at,
                has_begun=False,
                count=0,
            )
        row.endpoint = endpoint
        row.count += 1
        row.last_at = received_at
        is_news = digest not in row.seen
        (self._changed if is_news else self._repeated)[row.pk] = row
        if is_news:
            row.seen = (*row.seen, digest)[-MAX_SEEN:]
            _apply(row, alert, received_at)
            row.verdict = verdict_of(row, territory)
        if row.ended_at is None and alert.state is not AlertState.END:
            row.rates = with_report(row.rates, at=received_at, bps=alert.bps, pps=alert.pps)
        return Folded(row, is_news)

    def save(self) -> None:
        save_rows(ReceivedAlert, list(self._changed.values()))
        repeated = [row for pk, row in self._repeated.items() if pk not in self._changed]
        update_many(ReceivedAlert, _OF_REPEATS, [_values(row) for row in repeated])
        self._changed.clear()
        self._repeated.clear()


def _values(row: ReceivedAlert) -> list[object]:
    return [row.pk, *(getattr(row, name) for name in _OF_REPEATS)]


def _newest(keys: Collection[Key]) -> dict[Key, ReceivedAlert]:
    by_time = Window(
        RowNumber(),
        partition_by=["endpoint_id", "event_id", "is_test"],
        order_by=[F("first_at").desc(), F("id").desc()],
    )
    rows = ReceivedAlert.objects.filter(
        endpoint__in={endpoint for endpoint, _, _ in keys},
        event_id__in={event_id for _, event_id, _ in keys},
    )
    newest = rows.annotate(age=by_time).filter(age=1)
    return {(row.endpoint_id, row.event_id, row.is_test): row for row in newest}


def verdict_of(row: ReceivedAlert, territory: Territory) -> AlertVerdict:
    """Every target has to be inside the organization's verified resources."""
    if row.direction == AttackDirection.OUTGOING:
        return AlertVerdict.OUTGOING
    if not row.targets:
        return AlertVerdict.NO_TARGET
    is_ours = all(map(territory.has, row.targets))
    return AlertVerdict.OURS if is_ours else AlertVerdict.NOT_OURS


def _begins_again(row: ReceivedAlert, alert: Alert, digest: str, received_at: datetime) -> bool:
    """Whether an alert of an ended incident is about a new one: some detectors use an id again."""
    if row.ended_at is None or alert.state is AlertState.END or digest in row.seen:
        return False
    if alert.started_at is not None:
        return alert.started_at > row.ended_at
    if not row.has_begun:
        return received_at - row.last_at > ORDER_SLACK
    return True


def _apply(row: ReceivedAlert, alert: Alert, received_at: datetime) -> None:
    if alert.state is AlertState.END:
        if _ends_an_earlier_one(row, alert):
            return
        row.ended_at = row.ended_at or alert.ended_at or received_at
    else:
        row.has_begun = True
    row.state = AlertState.END if row.ended_at else alert.state
    for name in _CONTENT:
        value = getattr(alert, name)
        if value not in (None, "", ()) or row.count == 1:
            setattr(row, name, value)
    # An end often names no target.
    row.targets = alert.targets or row.targets


def _ends_an_earlier_one(row: ReceivedAlert, alert: Alert) -> bool:
    return (
        row.has_begun
        and alert.ended_at is not None
        and row.started_at is not None
        and alert.ended_at < row.started_at
    )


def _digest(alert: Alert) -> str:
    text = json.dumps(write_json(alert), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:_DIGEST_LENGTH]
