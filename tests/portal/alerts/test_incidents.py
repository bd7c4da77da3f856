"""Incidents across detectors, and what the portal proposes because of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.alerts.endpoint_policy import EndpointPolicy
from portal.alerts.mapping import AlertSource
from portal.alerts.models import (
    AlertEndpoint,
    AlertProposal,
    Incident,
    IncidentState,
    ProposalState,
    ProposedAct,
    ReceivedAlert,
)
from portal.alerts.services import gather as gathering
from portal.alerts.services.decide import (
    ProposalChanged,
    ProposalOver,
    confirm,
    dismiss,
)
from portal.alerts.services.endpoints import EndpointWish, add_endpoint
from portal.alerts.services.follow import QUIET_AFTER, follow
from portal.alerts.services.gather import MAX_OPEN_INCIDENTS
from portal.alerts.services.map_waiting import map_waiting
from portal.alerts.services.preview import preview_proposal
from portal.alerts.services.propose_mitigation import EXPIRES_AFTER
from portal.alerts.services.receive import accept
from portal.alerts.services.send_test import send_test
from portal.audit.models import AuditEntry
from portal.core.errors import Invalid, NotAllowed
from portal.events.acts import record_acts
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest
from portal.mitigations.states import RequestStatus
from portal.mitigations.validation import Submission
from portal.organizations.models import Approval, Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.factories import ResourceFactory
from tests.portal.alerts.conftest import Detector

HOLD_DOWN = timedelta(seconds=EndpointPolicy().hold_down_s)
NOW = datetime(2026, 11, 28, 18, 0, tzinfo=UTC)
Report = Callable[..., None]


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def report(detector: Detector, acme_northgate: Subscription) -> Report:
    """A detector reports, `after` seconds after NOW."""

    def report(after: float = 0, *, by: AlertEndpoint | None = None, **fields: Any) -> None:
        body = {"id": "a-1", "targets": ["203.0.113.7"], "vector": "udp flood", **fields}
        accept(by or detector.endpoint, json.dumps(body).encode(), at(after))
        assert map_waiting() == 1

    return report


@pytest.fixture
def second(alice: User, acme: Organization, detector: Detector) -> AlertEndpoint:
    """Another detector of acme."""
    wish = EndpointWish(name="Core", source=AlertSource.PLAIN)
    return add_endpoint(organization=acme, actor=Actor.person(alice), wish=wish)[0]


def proposal() -> AlertProposal:
    return AlertProposal.objects.select_related("incident").get()


def confirmed(dana: User) -> MitigationRequest:
    """dana confirms what she saw."""
    one = proposal()
    return confirm(proposal=one, actor=Actor.person(dana), seen=preview_proposal(one).digest)


def test_a_start_repeats_and_an_end_are_one_incident_with_one_proposal(report: Report) -> None:
    report(state="start")
    for second in range(1, 21):
        report(second, state="start")
    report(21, state="end")

    assert Incident.objects.get().state == IncidentState.ENDING
    assert proposal().targets.texts == ("203.0.113.7/32",)
    assert [one.type for one in Event.objects.filter(type__regex="^(incident|proposal)")] == [
        "incident.began", "proposal.made", "incident.changed",
    ]  # fmt: skip
    assert Incident.objects.get().last_at == at(21)


def test_detectors_that_report_overlapping_targets_share_an_incident(
    report: Report, second: AlertEndpoint
) -> None:
    report(bps=1000, protocols=[17], ports=[53])
    report(1, by=second, id="other", targets=["203.0.113.0/28"], bps=3000, protocols=[6])

    incident = Incident.objects.get()
    assert incident.targets.texts == ("203.0.113.0/28",)
    assert (incident.bps, incident.protocols, incident.ports) == (3000, (17, 6), ())
    assert incident.alerts.count() == 2
    assert proposal().targets.texts == ("203.0.113.0/28",)


def test_detectors_that_report_other_targets_have_other_incidents(report: Report) -> None:
    report()
    report(1, id="a-2", targets=["203.0.113.9"])

    assert Incident.objects.count() == AlertProposal.objects.count() == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"targets": ["198.51.100.1"]},
        {"targets": ["203.0.113.7", "198.51.100.1"]},
        {"direction": "outgoing"},
        {"targets": []},
        {"state": "end"},
    ],
)
def test_alerts_about_others_and_ends_alone_make_no_incident(
    report: Report, fields: dict[str, Any]
) -> None:
    report(**fields)

    assert ReceivedAlert.objects.count() == 1
    assert not Incident.objects.exists()


def test_a_test_makes_no_incident(
    detector: Detector, alice: User, acme_northgate: Subscription
) -> None:
    send_test(endpoint=detector.endpoint, actor=Actor.person(alice))
    map_waiting()

    assert ReceivedAlert.objects.get().verdict == "ours"
    assert not Incident.objects.exists()


def test_the_same_prefix_of_another_organization_is_another_incident(
    report: Report, alice: User, globex: Organization, charlie: User
) -> None:
    ResourceFactory.create(organization=globex, value="203.0.113.0/26")
    wish = EndpointWish(name="Edge", source=AlertSource.PLAIN)
    other, _ = add_endpoint(organization=globex, actor=Actor.person(charlie), wish=wish)
    report()
    report(by=other)

    assert sorted(Incident.objects.values_list("organization__slug", flat=True)) == [
        "acme", "globex",
    ]  # fmt: skip


def test_an_alert_during_the_hold_down_begins_the_same_incident_again(report: Report) -> None:
    report(state="start")
    report(10, state="end")
    report(60, id="a-2", state="start")

    incident = Incident.objects.get()
    assert (incident.state, incident.closes_at) == (IncidentState.ONGOING, None)
    assert AlertProposal.objects.count() == 1


def test_an_incident_ends_only_once_every_detector_reports_the_end(
    report: Report, second: AlertEndpoint
) -> None:
    report(state="start")
    report(1, by=second, state="start")
    report(2, state="end")
    assert Incident.objects.get().state == IncidentState.ONGOING
    report(3, by=second, state="end")
    assert Incident.objects.get().state == IncidentState.ENDING

    assert follow(at(3) + HOLD_DOWN - timedelta(seconds=1)) == 0
    follow(at(3) + HOLD_DOWN)

    assert Incident.objects.get().state == IncidentState.ENDED
    assert proposal().state == ProposalState.NOT_NEEDED
    report(700, id="a-3", state="start")
    assert Incident.objects.count() == 2


def test_silence_is_no_end(report: Report, dana: User) -> None:
    report(state="start")
    request = confirmed(dana)
    follow(at(1) + QUIET_AFTER)

    assert Incident.objects.get().state == IncidentState.QUIET
    assert not AlertProposal.objects.filter(act=ProposedAct.TERMINATE).exists()
    request.refresh_from_db()
    assert request.terminate_asked_at is None


def test_repeats_keep_an_incident_from_becoming_quiet(report: Report) -> None:
    report(state="start")
    report(3000, state="start")
    follow(at(60) + QUIET_AFTER)

    assert Incident.objects.get().state == IncidentState.ONGOING


def test_confirming_sends_exactly_what_the_preview_showed(
    report: Report, dana: User, acme_northgate: Subscription
) -> None:
    report(protocols=[17], ports=[53])
    shown = preview_proposal(proposal()).preview
    request = confirmed(dana)

    [message] = shown.messages
    assert message.lines[:2] == ("Northgate, at once:", "203.0.113.7/32")
    assert message.is_sent_at_once
    assert (request.scope.texts, request.protocols) == (("203.0.113.7/32",), (17,))
    assert request.mitigations.get().scope.texts == ("203.0.113.7/32",)
    assert (request.requester.name, request.reason) == ("dana", "Edge: udp flood")
    assert Incident.objects.get().request_id == request.pk


def test_a_second_person_who_confirms_gets_the_same_request(
    report: Report, dana: User, alice: User
) -> None:
    report()
    first = confirmed(dana)
    second = confirm(proposal=proposal(), actor=Actor.person(alice), seen="")

    assert second.pk == first.pk
    assert MitigationRequest.objects.count() == 1


def test_nothing_is_sent_if_the_proposal_changed_since_it_was_seen(
    report: Report, dana: User
) -> None:
    report()
    seen = preview_proposal(proposal()).digest
    report(1, id="a-2", targets=["203.0.113.0/28"])

    with pytest.raises(ProposalChanged) as refused:
        confirm(proposal=proposal(), actor=Actor.person(dana), seen=seen)

    assert "203.0.113.0/28" in str(refused.value.members["after"])
    assert not MitigationRequest.objects.exists()
    assert proposal().state == ProposalState.OPEN


def test_a_viewer_confirms_and_dismisses_nothing(report: Report, bob: User) -> None:
    report()

    with pytest.raises(NotAllowed):
        confirmed(bob)
    with pytest.raises(NotAllowed):
        dismiss(proposal=proposal(), actor=Actor.person(bob), reason="no")
    assert proposal().state == ProposalState.OPEN


def test_a_second_person_still_has_to_approve(
    report: Report, dana: User, acme: Organization
) -> None:
    Organization.objects.filter(pk=acme.pk).update(approval=Approval.ALL)
    report()
    request = confirmed(dana)

    assert request.status == RequestStatus.AWAITING_APPROVAL
    assert not request.mitigations.exists()


def test_a_dismissed_proposal_is_not_made_again(report: Report, dana: User) -> None:
    report(state="start")
    with pytest.raises(Invalid):
        dismiss(proposal=proposal(), actor=Actor.person(dana), reason=" ")
    dismiss(proposal=proposal(), actor=Actor.person(dana), reason="A planned  load test")
    report(5, bps=9000)

    found = proposal()
    assert (found.state, found.reason) == (ProposalState.DISMISSED, "A planned load test")
    with pytest.raises(ProposalOver):
        confirmed(dana)


def test_an_untouched_proposal_expires_and_sends_nothing(report: Report, dana: User) -> None:
    report()
    follow(NOW + EXPIRES_AFTER)

    assert proposal().state == ProposalState.EXPIRED
    with pytest.raises(ProposalOver):
        confirmed(dana)
    assert not MitigationRequest.objects.exists()


def test_an_alert_about_a_protected_target_is_evidence_of_its_request(
    report: Report, dana: User, acme: Organization, shop: ProtectedResource
) -> None:
    request = services.submit(
        organization=acme, actor=Actor.person(dana), submission=Submission(resources=(shop.pk,))
    )
    report()

    assert Incident.objects.get().request_id == request.pk
    assert not AlertProposal.objects.exists()


def test_a_manual_request_makes_the_proposal_unnecessary(
    report: Report, dana: User, acme: Organization
) -> None:
    report()
    request = services.submit(
        organization=acme,
        actor=Actor.person(dana),
        submission=Submission(prefixes=("203.0.113.7/32",)),
    )
    follow(at(5))

    found = proposal()
    assert (found.state, found.request_id) == (ProposalState.NOT_NEEDED, request.pk)
    assert Incident.objects.get().request_id == request.pk


def test_further_targets_of_an_incident_are_proposed_again(report: Report, dana: User) -> None:
    report()
    confirmed(dana)
    report(5, id="a-2", targets=["203.0.113.7", "203.0.113.20"])

    further = AlertProposal.objects.get(state=ProposalState.OPEN)
    assert further.targets.texts == ("203.0.113.20/32",)


def test_the_end_proposes_to_terminate_and_one_tap_does_it(report: Report, dana: User) -> None:
    report(state="start")
    request = confirmed(dana)
    report(10, state="end")
    follow(at(10) + HOLD_DOWN)

    end = AlertProposal.objects.get(act=ProposedAct.TERMINATE)
    assert (end.state, end.request_id, end.expires_at) == (ProposalState.OPEN, request.pk, None)
    confirm(proposal=end, actor=Actor.person(dana))
    request.refresh_from_db()
    assert request.terminate_asked_by == dana


def test_a_proposal_to_terminate_is_over_once_its_request_is(report: Report, dana: User) -> None:
    report(state="start")
    request = confirmed(dana)
    report(10, state="end")
    follow(at(10) + HOLD_DOWN)
    services.terminate(request_id=request.pk, actor=Actor.person(dana))
    follow(at(11) + HOLD_DOWN)

    end = AlertProposal.objects.get(act=ProposedAct.TERMINATE)
    assert end.state == ProposalState.NOT_NEEDED


def test_decisions_are_entries_of_the_audit(report: Report, dana: User) -> None:
    report(state="start")
    confirmed(dana)
    report(1, id="a-2", targets=["203.0.113.20"])
    dismiss(
        proposal=AlertProposal.objects.get(state=ProposalState.OPEN),
        actor=Actor.person(dana),
        reason="Ours",
    )
    record_acts()

    own = AuditEntry.objects.filter(verb__startswith="proposal.").order_by("pk")
    assert [(one.verb, one.object_name) for one in own] == [
        ("proposal.confirmed", "203.0.113.7/32"), ("proposal.dismissed", "203.0.113.20/32"),
    ]  # fmt: skip
    assert own[1].after is not None
    assert own[1].after["reason"] == "Ours"


def test_open_incidents_are_limited(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_OPEN_INCIDENTS == 200
    monkeypatch.setattr(gathering, "MAX_OPEN_INCIDENTS", 1)
    report()
    report(1, id="a-2", targets=["203.0.113.9"])
    report(2, id="a-3", targets=["203.0.113.7"])

    assert Incident.objects.get().alerts.count() == 2
    assert ReceivedAlert.objects.count() == 3
