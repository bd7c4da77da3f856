"""Detectors and people at the same moment, on the database of an installation."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertEndpoint, AlertProposal, Incident, ProposalState
from portal.alerts.services.decide import ProposalOver, confirm, dismiss
from portal.alerts.services.endpoints import EndpointWish, add_endpoint, remove_endpoint
from portal.alerts.services.map_waiting import map_endpoint
from portal.alerts.services.preview import preview_proposal
from portal.alerts.services.receive import accept
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.integration.test_simultaneous import together

TRIES = 3
Report = Callable[[str], AlertEndpoint]


@pytest.fixture
def report(
    acme: Organization, alice: User, shop: ProtectedResource, acme_northgate: Subscription
) -> Report:
    """Another detector reports an attack on this target, and waits to be read."""

    def report(target: str) -> AlertEndpoint:
        name = f"Detector {AlertEndpoint.objects.count()}"
        wish = EndpointWish(name=name, source=AlertSource.PLAIN)
        endpoint, _ = add_endpoint(organization=acme, actor=Actor.person(alice), wish=wish)
        body = json.dumps({"id": target, "targets": [target], "state": "start"}).encode()
        accept(endpoint, body, timezone.now())
        return endpoint

    return report


def proposed(report: Report, target: str) -> tuple[AlertProposal, str]:
    """An open proposal, and the digest of what everyone saw."""
    map_endpoint(report(target).pk)
    found = AlertProposal.objects.select_related("incident").get(state=ProposalState.OPEN)
    return found, preview_proposal(found).digest


@pytest.mark.django_db
def test_two_people_who_confirm_at_once_make_one_request(
    report: Report, alice: User, dana: User
) -> None:
    for number in range(TRIES):
        found, seen = proposed(report, f"203.0.113.{number}")
        results = together(
            *(
                partial(confirm, proposal=found, actor=Actor.person(one), seen=seen)
                for one in (alice, dana)
            )
        )
        assert len({one.pk for one in results if isinstance(one, MitigationRequest)}) == 1, results
        assert MitigationRequest.objects.count() == number + 1


@pytest.mark.django_db
def test_a_confirmation_and_a_dismissal_at_once_are_one_decision(
    report: Report, alice: User, dana: User
) -> None:
    for number in range(TRIES):
        found, seen = proposed(report, f"203.0.113.{number}")
        results = together(
            partial(confirm, proposal=found, actor=Actor.person(alice), seen=seen),
            partial(dismiss, proposal=found, actor=Actor.person(dana), reason="A load test"),
        )
        assert sum(isinstance(one, ProposalOver) for one in results) == 1, results
        found.refresh_from_db()
        is_confirmed = found.state == ProposalState.CONFIRMED
        assert (found.request is not None) == is_confirmed


@pytest.mark.django_db
def test_detectors_that_report_the_same_target_at_once_share_an_incident(report: Report) -> None:
    endpoints = [report("203.0.113.7") for _ in range(4)]

    results = together(*(partial(map_endpoint, one.pk) for one in endpoints))

    assert results == [1, 1, 1, 1]
    assert Incident.objects.get().alerts.count() == 4
    assert AlertProposal.objects.count() == 1


@pytest.mark.django_db
def test_an_alert_a_termination_and_a_removal_at_once_wait_for_each_other(
    report: Report, alice: User, dana: User
) -> None:
    """None of them is a deadlock."""
    found, seen = proposed(report, "203.0.113.7")
    request = confirm(proposal=found, actor=Actor.person(alice), seen=seen)
    former, newer = report("203.0.113.7"), report("203.0.113.20")

    results = together(
        partial(map_endpoint, former.pk),
        partial(map_endpoint, newer.pk),
        partial(services.terminate, request_id=request.pk, actor=Actor.person(dana)),
        partial(remove_endpoint, endpoint=former, actor=Actor.person(alice)),
    )

    assert not [one for one in results if isinstance(one, Exception)], results
    assert not AlertEndpoint.objects.filter(pk=former.pk).exists()
