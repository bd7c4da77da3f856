"""The incidents that several alerts of an organization are about, and all that depends on these."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Unpack
from uuid import UUID

from portal.alerts.models import (
    OPEN_STATES,
    AlertEndpoint,
    AlertProposal,
    Incident,
    ProposedAct,
    ReceivedAlert,
)
from portal.alerts.services.propose import live_requests
from portal.core.many_rows import save_rows
from portal.core.target_overlap import with_overlap
from portal.core.targets import Targets, Territory
from portal.events.log import NewEvent, append_rows, event_row
from portal.events.models import Event
from portal.mitigations.models import MitigationRequest

_READ: Final = ("incident_id", "endpoint_id", "protocols", "ports", "ended_at")
"""of an incident's other alerts"""


class IncidentRows:
    """Rows that are read once for all alerts (as soon as one needs them), changed in memory, and
    saved together.

    The caller holds `lock_incidents` from before the first read until the commit.
    """

    def __init__(
        self, organization_id: UUID, known: Collection[ReceivedAlert], targets: Collection[Targets]
    ) -> None:
        """`known`: the rows of the alerts that follow; `targets`: what these alerts name."""
        self._organization_id = organization_id
        self._known = {row.pk: row for row in known}
        self._targets = targets
        ids = {row.incident_id for row in known if row.incident_id}
        self._incidents = Incident.objects.in_bulk(ids) if ids else {}
        self._alerts: dict[UUID, dict[UUID, ReceivedAlert]] = {}
        self._proposals: dict[UUID, list[AlertProposal]] = {}
        self._live: dict[UUID, tuple[MitigationRequest, Territory]] = {}
        self._endpoints: dict[UUID, AlertEndpoint] = {}
        self._open_count: int | None = None
        self._changed: dict[UUID, Incident] = {}
        self._changed_proposals: dict[UUID, AlertProposal] = {}
        self._events: list[Event] = []

    def incident(self, incident_id: UUID | None) -> Incident | None:
        return None if incident_id is None else self._incidents.get(incident_id)

    def open_ones(self) -> list[Incident]:
        """Oldest first: at least those that share a target with an alert."""
        self._count_open()
        found = [one for one in self._incidents.values() if one.is_open]
        return sorted(found, key=lambda one: (one.began_at, one.pk))

    def _count_open(self) -> int:
        if self._open_count is None:
            own = Incident.objects.filter(organization=self._organization_id, state__in=OPEN_STATES)
            self._open_count = own.count()
            for one in with_overlap(own, "targets", self._named()):
                self._incidents.setdefault(one.pk, one)
        return self._open_count

    @property
    def open_count(self) -> int:
        """How many the organization has."""
        return self._count_open()

    def begin(self, incident: Incident) -> None:
        self._open_count = self._count_open() + 1
        self._incidents[incident.pk] = self._changed[incident.pk] = incident

    def alerts(self, incident: Incident) -> dict[UUID, ReceivedAlert]:
        """All of the incident."""
        self._read_details(incident)
        return self._alerts[incident.pk]

    def proposals(self, incident: Incident) -> list[AlertProposal]:
        """To mitigate, oldest first."""
        self._read_details(incident)
        return self._proposals[incident.pk]

    def protecting(self, incident: Incident) -> list[MitigationRequest]:
        """Live requests for some of its targets, oldest first."""
        self._read_details(incident)
        return [
            one
            for one, territory in self._live.values()
            if any(map(territory.has, incident.targets))
        ]

    def _read_details(self, incident: Incident) -> None:
        """Of all open incidents at once."""
        if incident.pk in self._alerts:
            return
        missing = {
            pk: one for pk, one in self._incidents.items() if one.is_open and pk not in self._alerts
        }
        is_first = not self._alerts
        self._alerts |= {pk: {} for pk in missing}
        self._proposals |= {pk: [] for pk in missing}
        saved = {pk: one for pk, one in missing.items() if not one._state.adding}
        if saved:
            for row in ReceivedAlert.objects.filter(incident__in=saved).only(*_READ):
                assert row.incident_id is not None, "it was found by its incident"
                self._alerts[row.incident_id][row.pk] = self._known.get(row.pk, row)
            proposals = AlertProposal.objects.filter(incident__in=saved, act=ProposedAct.MITIGATE)
            for proposal in proposals.order_by("made_at"):
                proposal.incident = saved[proposal.incident_id]
                self._proposals[proposal.incident_id].append(proposal)
        if saved or is_first:
            named = Targets.of(
                target for each in (self._named(), *(one.targets for one in saved.values()))
                for target in each
            )  # fmt: skip
            for request in live_requests(self._organization_id, named):
                self.add_live(request)
            in_order = sorted(self._live.values(), key=lambda one: (one[0].created_at, one[0].pk))
            self._live = {one[0].pk: one for one in in_order}

    def _named(self) -> Targets:
        """What the alerts and their rows name."""
        several = (*self._targets, *(row.targets for row in self._known.values()))
        return Targets.of(target for each in several for target in each)

    def add_live(self, request: MitigationRequest) -> None:
        self._live.setdefault(request.pk, (request, Territory.of(request.scope)))

    def endpoints(self, ids: Collection[UUID]) -> list[AlertEndpoint]:
        missing = set(ids) - self._endpoints.keys()
        if missing:
            self._endpoints |= AlertEndpoint.objects.in_bulk(missing)
        return [self._endpoints[one] for one in ids]

    def change(self, incident: Incident) -> None:
        self._changed[incident.pk] = incident

    def change_proposal(self, proposal: AlertProposal) -> None:
        self._changed_proposals[proposal.pk] = proposal

    def tell(self, **new: Unpack[NewEvent]) -> None:
        self._events.append(event_row(**new))

    def save(self) -> None:
        """The events last: they lock the organization's log until the commit, and a person's
        request waits for that.
        """
        save_rows(Incident, list(self._changed.values()))
        save_rows(AlertProposal, list(self._changed_proposals.values()))
        append_rows(self._events)
        self._changed.clear()
        self._changed_proposals.clear()
        self._events.clear()
