"""What the portal does without a person, within the policy of a detector's endpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from portal.accounts.actors import Actor, ActorKind
from portal.accounts.models import User
from portal.alerts.endpoint_policy import Automatic, AutomaticMode, EndpointPolicy, why_not
from portal.alerts.models import AlertEndpoint, AlertProposal, Incident, ProposalState, ProposedAct
from portal.alerts.services.endpoints import change_policy
from portal.alerts.services.follow import follow
from portal.alerts.services.map_waiting import map_waiting
from portal.alerts.services.receive import accept
from portal.core.errors import Invalid, NotAllowed
from portal.core.targets import Targets
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest
from portal.mitigations.states import RequestStatus
from portal.mitigations.validation import Submission
from portal.organizations.models import Approval, Organization
from portal.providers.models import Subscription
from tests.portal.alerts.conftest import Detector

NOW = datetime(2026, 11, 28, 18, 0, tzinfo=UTC)
ON = EndpointPolicy(mode=AutomaticMode.ON)
ONE = Targets.saved(prefixes=["203.0.113.7/32"])
Attack = Callable[..., AlertProposal]


@pytest.mark.parametrize(
    ("policy", "targets", "severity", "lately", "expected"),
    [
        (ON, ONE, 3, 0, None),
        (ON, ONE, 2, 0, Automatic.SEVERITY),
        (ON, ONE, None, 0, Automatic.SEVERITY),
        (replace(ON, min_severity=0), ONE, None, 0, None),
        (ON, Targets.saved(prefixes=["203.0.113.0/31"]), 3, 0, Automatic.SIZE),
        (replace(ON, largest_v4=31), Targets.saved(prefixes=["203.0.113.0/31"]), 3, 0, None),
        (ON, Targets.saved(prefixes=["2001:db8::/64"]), 3, 0, Automatic.SIZE),
        (replace(ON, prefixes=(ip_network("203.0.113.0/28"),)), ONE, 3, 0, None),
        (replace(ON, prefixes=(ip_network("203.0.113.8/29"),)), ONE, 3, 0, Automatic.PREFIX),
        (ON, Targets.saved(fqdns=["shop.example"]), 3, 0, None),
        (
            replace(ON, prefixes=(ip_network("203.0.113.0/28"),)),
            Targets.saved(prefixes=["203.0.113.7/32"], fqdns=["shop.example"]),
            3,
            0,
            Automatic.PREFIX,
        ),
        (replace(ON, from_hour=18, to_hour=19), ONE, 3, 0, None),
        (replace(ON, from_hour=8, to_hour=18), ONE, 3, 0, Automatic.HOURS),
        (replace(ON, from_hour=17, to_hour=6), ONE, 3, 0, None),
        (replace(ON, from_hour=19, to_hour=6), ONE, 3, 0, Automatic.HOURS),
        (ON, ONE, 3, 2, None),
        (ON, ONE, 3, 3, Automatic.COUNT),
    ],
)
def test_each_limit_leaves_the_decision_to_a_person(
    policy: EndpointPolicy,
    targets: Targets,
    severity: int | None,
    lately: int,
    expected: Automatic | None,
) -> None:
    found = why_not(policy, targets=targets, severity=severity, now=NOW, lately=lately)

    assert found == expected


@pytest.fixture
def attack(detector: Detector, acme_northgate: Subscription) -> Attack:
    """A detector with this policy reports; returns the newest proposal."""

    def attack(policy: EndpointPolicy = ON, after: float = 0, **fields: Any) -> AlertProposal:
        AlertEndpoint.objects.update(policy=policy)
        body = {"id": "a-1", "targets": ["203.0.113.7"], "severity": 4, **fields}
        accept(detector.endpoint, json.dumps(body).encode(), NOW + timedelta(seconds=after))
        assert map_waiting() == 1
        return AlertProposal.objects.order_by("-made_at", "-pk")[0]

    return attack


def test_within_the_limits_the_portal_sends_and_the_request_says_who_made_it(
    attack: Attack,
) -> None:
    made = attack()

    request = MitigationRequest.objects.get()
    assert (request.origin, request.origin_name) == (ActorKind.ALERT_SOURCE, "Edge")
    assert (request.created_by, request.scope.texts) == (None, ("203.0.113.7/32",))
    assert request.mitigations.count() == 1
    assert (made.state, made.automatic, made.request_id) == (
        ProposalState.CONFIRMED, Automatic.SENT, request.pk,
    )  # fmt: skip
    assert Incident.objects.get().request_id == request.pk
    confirmed = Event.objects.get(type="proposal.confirmed")
    assert (confirmed.data["actor_kind"], confirmed.data["actor"]) == ("alert_source", "Edge")


def test_a_repeat_sends_nothing_more(attack: Attack) -> None:
    attack()
    attack(after=1)
    attack(after=2, pps=9)

    assert MitigationRequest.objects.count() == AlertProposal.objects.count() == 1


def test_watching_says_what_it_would_send_and_sends_nothing(attack: Attack) -> None:
    made = attack(replace(ON, mode=AutomaticMode.WATCH))

    assert (made.state, made.automatic) == (ProposalState.OPEN, Automatic.WOULD)
    assert not MitigationRequest.objects.exists()


def test_off_says_nothing(attack: Attack) -> None:
    made = attack(EndpointPolicy())

    assert (made.state, made.automatic, made.endpoint) == (ProposalState.OPEN, "", None)


def test_outside_the_limits_it_only_proposes_until_an_alert_is_within_them(attack: Attack) -> None:
    made = attack(severity=1)
    assert (made.state, made.automatic) == (ProposalState.OPEN, Automatic.SEVERITY)
    assert not MitigationRequest.objects.exists()

    worse = attack(after=5, severity=4)
    assert (worse.pk, worse.automatic) == (made.pk, Automatic.SENT)


def test_requests_of_one_hour_are_limited(attack: Attack) -> None:
    policy = replace(ON, max_per_hour=1)
    attack(policy)
    second = attack(policy, 5, id="a-2", targets=["203.0.113.20"])
    assert (second.state, second.automatic) == (ProposalState.OPEN, Automatic.COUNT)

    later = attack(policy, 3700, id="a-3", targets=["203.0.113.30"])
    assert later.automatic == Automatic.SENT


def test_a_second_person_still_approves(attack: Attack, acme: Organization) -> None:
    Organization.objects.filter(pk=acme.pk).update(approval=Approval.AUTOMATIC)
    made = attack()

    request = MitigationRequest.objects.get()
    assert made.automatic == Automatic.SENT
    assert request.status == RequestStatus.AWAITING_APPROVAL
    assert not request.mitigations.exists()


def test_it_never_replaces_a_live_request(attack: Attack, acme: Organization, dana: User) -> None:
    services.submit(
        organization=acme,
        actor=Actor.person(dana),
        submission=Submission(prefixes=("203.0.113.8/32",)),
    )
    made = attack(replace(ON, largest_v4=24), targets=["203.0.113.0/28"])

    assert (made.state, made.automatic) == (ProposalState.OPEN, Automatic.REFUSED)
    assert made.refusal
    assert MitigationRequest.objects.count() == 1


def test_a_refusal_of_the_policy_leaves_the_alert_and_a_proposal(
    attack: Attack, acme: Organization
) -> None:
    Organization.objects.filter(pk=acme.pk).update(shortest_prefix_v4=32)
    made = attack(replace(ON, largest_v4=24), targets=["203.0.113.0/28"])

    assert (made.state, made.automatic) == (ProposalState.OPEN, Automatic.REFUSED)
    assert Incident.objects.get().alerts.count() == 1


def test_a_suspended_organization_sends_nothing(attack: Attack, acme: Organization) -> None:
    Organization.objects.filter(pk=acme.pk).update(suspended_at=NOW, suspension_reason="Unpaid")
    made = attack()

    assert made.automatic == Automatic.REFUSED
    assert not MitigationRequest.objects.exists()


def end_of(policy: EndpointPolicy, attack: Attack) -> MitigationRequest:
    """The request after its incident ended and the hold-down passed."""
    attack(policy, state="start")
    attack(policy, 10, state="end")
    follow(NOW + timedelta(seconds=9 + policy.hold_down_s))
    assert MitigationRequest.objects.get().terminate_asked_at is None
    follow(NOW + timedelta(seconds=11 + policy.hold_down_s))
    return MitigationRequest.objects.get()


def test_after_the_hold_down_it_terminates_what_it_sent_if_the_policy_says_so(
    attack: Attack,
) -> None:
    request = end_of(replace(ON, terminates=True, hold_down_s=30), attack)

    assert request.terminate_asked_at is not None
    end = AlertProposal.objects.get(act=ProposedAct.TERMINATE)
    assert (end.state, end.automatic) == (ProposalState.CONFIRMED, Automatic.SENT)


def test_without_that_policy_the_end_is_only_proposed(attack: Attack) -> None:
    request = end_of(ON, attack)

    assert request.terminate_asked_at is None
    end = AlertProposal.objects.get(act=ProposedAct.TERMINATE)
    assert (end.state, end.automatic) == (ProposalState.OPEN, "")


def test_it_never_terminates_the_request_of_a_person(
    attack: Attack, acme: Organization, dana: User
) -> None:
    services.submit(
        organization=acme,
        actor=Actor.person(dana),
        submission=Submission(prefixes=("203.0.113.7/32",)),
    )
    policy = replace(ON, terminates=True)
    AlertEndpoint.objects.update(policy=policy)
    detector = AlertEndpoint.objects.get()
    for after, state in ((0, "start"), (10, "end")):
        body = {"id": "a-1", "targets": ["203.0.113.7"], "severity": 4, "state": state}
        accept(detector, json.dumps(body).encode(), NOW + timedelta(seconds=after))
        map_waiting()
    follow(NOW + timedelta(seconds=400))

    assert MitigationRequest.objects.get().terminate_asked_at is None
    assert AlertProposal.objects.get().state == ProposalState.OPEN


def test_numbers_out_of_range_are_errors_and_only_admins_change_it(
    detector: Detector, alice: User, dana: User
) -> None:
    with pytest.raises(Invalid) as refused:
        change_policy(
            endpoint=detector.endpoint,
            actor=Actor.person(alice),
            policy=replace(ON, max_per_hour=0, hold_down_s=5),
        )
    assert [one.field for one in refused.value.errors] == ["max_per_hour", "hold_down_s"]
    with pytest.raises(NotAllowed):
        change_policy(endpoint=detector.endpoint, actor=Actor.person(dana), policy=ON)
    assert AlertEndpoint.objects.get().policy == EndpointPolicy()
