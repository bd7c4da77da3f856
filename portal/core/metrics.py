"""Every metric of the portal: its name, its labels and what it says (docs/metrics.md).

No label has the name, the address or the id of an organization, a person or a target. Providers
are shared by all organizations, so their names may be labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics_core import GaugeMetricFamily

from portal.core.errors import PORTAL_FAILED

disable_created_metrics()  # type: ignore[no-untyped-call]  # the time of a start is in process_*

REGISTRY: Final = CollectorRegistry(auto_describe=True)
"""One process is one target of Prometheus. Metrics are in its memory and start at 0 with it."""

SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

# Requests, on their way to the provider

SUBMIT_TO_WIRE: Final = Histogram(
    "portal_submit_to_wire_seconds",
    "From the moment a provider is to be asked until the first datagram of the request leaves.",
    buckets=SECONDS,
    registry=REGISTRY,
)
SUBMIT_TO_CONFIRMED: Final = Histogram(
    "portal_submit_to_confirmed_seconds",
    "From the moment a provider is to be asked until it confirms the request.",
    ["provider"],
    buckets=SECONDS,
    registry=REGISTRY,
)
RETRANSMISSIONS: Final = Counter(
    "portal_retransmissions",
    "Further copies of a request to a provider, sent because no answer came.",
    registry=REGISTRY,
)
OWNED_SUBSCRIPTIONS: Final = Gauge(
    "portal_owned_subscriptions",
    "Subscriptions whose session this signal worker holds.",
    registry=REGISTRY,
)

# The wire journal

WIRE_MESSAGES: Final = Counter(
    "portal_wire_messages",
    "Messages from and to providers. Topics: mitigation, session, heartbeat, other.",
    ["direction", "topic"],
    registry=REGISTRY,
)
WIRE_MESSAGES_OF: Final = {
    (direction, topic): WIRE_MESSAGES.labels(direction, topic)
    for direction in ("sent", "received")
    for topic in ("mitigation", "session", "heartbeat", "other")
}
JOURNAL_WAITING: Final = Gauge(
    "portal_wire_journal_waiting_messages",
    "Messages in memory that are not saved in the wire journal yet.",
    registry=REGISTRY,
)
JOURNAL_DROPPED: Final = Counter(
    "portal_wire_journal_dropped_messages",
    "Messages missing from the wire journal. Reasons: rate (one subscription has too many), full "
    "(too many wait for the database), not_saved (the database refused them).",
    ["reason"],
    registry=REGISTRY,
)
DROPPED_BY_RATE: Final = JOURNAL_DROPPED.labels("rate")
DROPPED_FULL: Final = JOURNAL_DROPPED.labels("full")
DROPPED_NOT_SAVED: Final = JOURNAL_DROPPED.labels("not_saved")

# The ledger of what providers report

LEDGER_WAITING: Final = Gauge(
    "portal_ledger_waiting_reports",
    "Providers' reports in memory that are not saved yet.",
    registry=REGISTRY,
)
LEDGER_FLUSH_REPORTS: Final = Histogram(
    "portal_ledger_flush_reports",
    "Reports that one transaction of the ledger saves.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
    registry=REGISTRY,
)
LEDGER_FLUSH_SECONDS: Final = Histogram(
    "portal_ledger_flush_seconds",
    "How long that transaction takes, with the wait for its thread.",
    buckets=SECONDS,
    registry=REGISTRY,
)
LEDGER_DECIDED: Final = Counter(
    "portal_ledger_decided_reports",
    "Reports that changed more than numbers, or were saved alone for another reason.",
    registry=REGISTRY,
)
LEDGER_UNSAVED: Final = Counter(
    "portal_ledger_unsaved_reports",
    "Reports that were never saved. Reasons: replaced (a newer report of the same status came "
    "first), flapping (the provider changed the status again within a second), full (too many "
    "reports of one subscription waited).",
    ["reason"],
    registry=REGISTRY,
)
LEDGER_UNSAVED_BY: Final = {
    reason: LEDGER_UNSAVED.labels(reason) for reason in ("replaced", "flapping", "full")
}

# Open pages and programs

OPEN_SOCKETS: Final = Gauge(
    "portal_open_sockets", "Event sockets that are open in this process.", registry=REGISTRY
)
EVENT_LAG: Final = Histogram(
    "portal_event_lag_seconds",
    "From the time of an event until its frame is sent on a socket. Events that the socket reads "
    "again from the table do not count.",
    buckets=SECONDS,
    registry=REGISTRY,
)
BROADCASTS_LOST: Final = Counter(
    "portal_broadcasts_lost",
    "Messages to sockets and signal workers that Redis did not take. Readers find the changes in "
    "the tables, seconds later. Reasons: failed, timeout, full, away.",
    ["reason"],
    registry=REGISTRY,
)
BROADCASTS_LOST_BY: Final = {
    reason: BROADCASTS_LOST.labels(reason) for reason in ("failed", "timeout", "full", "away")
}

# HTTP

HTTP_RESPONSES: Final = Counter(
    "portal_http_responses",
    "Responses by door (api, page, staff, static) and HTTP status. Without health checks.",
    ["door", "status"],
    registry=REGISTRY,
)
HTTP_SECONDS: Final = Histogram(
    "portal_http_request_seconds",
    "How long Django took for a request, without the time for which the request waited before.",
    ["door"],
    buckets=SECONDS,
    registry=REGISTRY,
)
ERRORS: Final = Counter(
    "portal_errors",
    "Errors that people and programs received, by the code of the problem document.",
    ["code"],
    registry=REGISTRY,
)
ERRORS.labels(PORTAL_FAILED)  # from 0, so that an alert sees the first one

# What the tables say. Each process that serves metrics reads the same rows: combine with max.


@dataclass(frozen=True, slots=True)
class RowGauge:
    """A gauge that is read from the tables when Prometheus asks for it."""

    name: str
    help: str
    labels: tuple[str, ...] = ()

    def family(self, values: Iterable[tuple[tuple[str, ...], float]]) -> GaugeMetricFamily:
        """`values`: the values of the labels, and the number."""
        family = GaugeMetricFamily(self.name, self.help, labels=self.labels)
        for labels, value in values:
            family.add_metric(labels, value)
        return family


DATABASE_UP: Final = RowGauge(
    "portal_database_up", "1 if the database answered within 2 s, otherwise 0."
)
REDIS_UP: Final = RowGauge("portal_redis_up", "1 if Redis answered within 1 s, otherwise 0.")
SESSIONS: Final = RowGauge(
    "portal_sessions",
    "Sessions of enabled subscriptions. States: up, connecting, down.",
    ("provider", "state"),
)
UNOWNED_SESSIONS: Final = RowGauge(
    "portal_sessions_without_worker",
    "Enabled subscriptions that no signal worker holds a valid lease of.",
    ("provider",),
)
HEARTBEAT_AGE: Final = RowGauge(
    "portal_heartbeat_age_seconds",
    "How long ago the provider was last heard, on the session that is silent for longest among "
    "those that are up. Saved every 4 s.",
    ("provider",),
)
PENDING: Final = RowGauge(
    "portal_pending_mitigations",
    "Mitigations that the provider has not confirmed yet, by how long ago the portal began to ask. "
    "Without those that wait because the provider named a later time. Counts up to 10,000.",
    ("age",),
)
OLDEST_UNSENT: Final = RowGauge(
    "portal_oldest_unsent_seconds",
    "How long the oldest of these has waited for its first datagram; 0 if all were sent.",
)
SIGNAL_WORKERS: Final = RowGauge(
    "portal_signal_workers", "Signal workers that checked in during the last 4 s."
)
ROW_GAUGES: Final = (
    DATABASE_UP,
    REDIS_UP,
    SESSIONS,
    UNOWNED_SESSIONS,
    HEARTBEAT_AGE,
    PENDING,
    OLDEST_UNSENT,
    SIGNAL_WORKERS,
)

# The process itself: process_*, python_gc_*, python_info

ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
