"""What staff did while they acted for an organization says so, also after they stopped."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.alerts.models import AlertProposal, Incident, ProposedAct
from portal.core.errors import Conflict
from portal.core.targets import Targets
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest, Strategy
from portal.mitigations.states import Trigger
from portal.mitigations.validation import Submission
from portal.organizations.acting import name_at
from portal.organizations.models import Approval, Organization, ProtectedResource, Role
from portal.providers.models import Subscription
from tests.conftest import ApiOf, ClientOf
from tests.factories import MembershipFactory, ResourceFactory
from tests.portal.mitigations.rows import confirm, mitigations_of, report

NAME: Final = "staff mo acting for Acme"
HOME: Final = "/organizations/acme/"
REQUESTS: Final = "/api/v1/organizations/acme/mitigation-requests"


@pytest.fixture
def request_of_dana(
    acme: Organization,
    dana: User,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> MitigationRequest:
    request = services.submit(
        organization=acme,
        actor=Actor.person(dana),
        submission=Submission(prefixes=("203.0.113.7/32",), strategy=Strategy.PARALLEL),
    )
    for mitigation in mitigations_of(request):
        confirm(mitigation)
    return request


@pytest.fixture
def browser(acme: Organization, mo: User, client_of: ClientOf) -> Client:
    """Mo acts for Acme in it."""
    browser = client_of(mo)
    browser.post("/portal/organizations/acme/act", {"reason": "Their admin called about a form"})
    return browser


def shown(api_of: ApiOf, user: User, request: MitigationRequest) -> dict[str, Any]:
    return dict(api_of(user).get(f"{REQUESTS}/{request.pk}").json())


def post(browser: Client, path: str, body: dict[str, Any] | None = None) -> None:
    answer = browser.post(f"{REQUESTS}/{path}", body or {}, content_type="application/json")
    assert answer.status_code in (200, 202), answer.content


def test_a_withdrawn_provider_names_staff_and_the_organization(
    request_of_dana: MitigationRequest,
    browser: Client,
    dana: User,
    client_of: ClientOf,
    api_of: ApiOf,
) -> None:
    first = mitigations_of(request_of_dana)[0]
    post(browser, f"{request_of_dana.pk}/mitigations/{first.pk}/withdraw")
    browser.post("/portal/stop")

    rows = shown(api_of, dana, request_of_dana)["mitigations"]
    assert NAME in [row["withdrawn_by"] for row in rows]
    page = client_of(dana).get(f"{HOME}requests/{request_of_dana.pk}").content.decode()
    assert f"{NAME} withdrew it" in page


def test_a_terminated_request_names_staff_and_the_organization(
    request_of_dana: MitigationRequest, browser: Client, dana: User
) -> None:
    post(browser, f"{request_of_dana.pk}/terminate")
    browser.post("/portal/stop")

    with pytest.raises(Conflict) as refused:
        services.extend(request_id=request_of_dana.pk, actor=Actor.person(dana), lifetime_s=7200)
    assert refused.value.message.startswith(f"{NAME} terminated this")


def test_an_acknowledged_end_names_staff_and_the_organization(
    request_of_dana: MitigationRequest, browser: Client, dana: User, api_of: ApiOf
) -> None:
    services.terminate(request_id=request_of_dana.pk, actor=Actor.person(dana))
    for mitigation in mitigations_of(request_of_dana):
        report(mitigation, Trigger.ENDED)
    request_of_dana.refresh_from_db()
    assert request_of_dana.last_end_at is not None
    ended = {"ended_at": request_of_dana.last_end_at.isoformat()}

    post(browser, f"{request_of_dana.pk}/acknowledge", ended)
    browser.post("/portal/stop")

    assert shown(api_of, dana, request_of_dana)["acknowledged_by"] == NAME


def test_a_request_sent_without_approval_names_staff_and_the_organization(
    acme: Organization,
    dana: User,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    browser: Client,
    api_of: ApiOf,
) -> None:
    Organization.objects.filter(pk=acme.pk).update(approval=Approval.ALL)
    acme.refresh_from_db()
    request = services.submit(
        organization=acme,
        actor=Actor.person(dana),
        submission=Submission(prefixes=("203.0.113.7/32",)),
    )

    post(browser, f"{request.pk}/break-glass", {"reason": "nobody answers the phone"})
    browser.post("/portal/stop")

    assert shown(api_of, dana, request)["approval"]["decided_by"] == NAME


def test_the_name_is_that_of_the_time(
    acme: Organization, globex: Organization, mo: User, dana: User, browser: Client
) -> None:
    before = timezone.now() - timedelta(hours=1)
    MembershipFactory.create(user=mo, organization=globex, role=Role.OPERATOR)
    now = timezone.now()

    assert name_at(mo, acme.pk, now) == NAME
    assert name_at(mo, acme.pk, before) == "staff mo"
    assert name_at(mo, globex.pk, now) == "staff mo"
    assert name_at(dana, acme.pk, now) == "dana"
    assert name_at(None, acme.pk, now) == ""


def test_a_drill_a_plan_and_a_check_name_staff_and_the_organization(
    acme: Organization,
    dana: User,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    browser: Client,
    client_of: ClientOf,
    api_of: ApiOf,
) -> None:
    api = "/api/v1/organizations/acme"
    unproved = ResourceFactory.create(
        organization=acme, name="New", value="198.51.100.0/24", verified_at=None
    )
    plan = {"name": "Plan", "targets": {"prefixes": ["203.0.113.16/32"]}}
    for path, body in (
        ("standby-plans", plan),
        (f"resources/{unproved.pk}/proofs", {"method": "staff"}),
        ("drills", {}),
    ):
        answer = browser.post(f"{api}/{path}", body, content_type="application/json")
        assert answer.status_code in (201, 202), answer.content
    browser.post("/portal/stop")

    read = api_of(dana)
    assert read.get(f"{api}/standby-plans").json()["results"][0]["created_by"] == NAME
    assert read.get(f"{api}/drills").json()["results"][0]["started_by"] == NAME
    proofs = read.get(f"{api}/resources/{unproved.pk}/proofs").json()["results"]
    assert [one["asked_by"] for one in proofs] == [NAME]
    member = client_of(dana)
    for page in ("standby", f"settings/resources/{unproved.pk}", "readiness/drills"):
        assert NAME in member.get(f"{HOME}{page}").content.decode(), page


def test_a_dismissed_proposal_names_staff_and_the_organization(
    acme: Organization, mo: User, dana: User, browser: Client, client_of: ClientOf, api_of: ApiOf
) -> None:
    incident = Incident.objects.create(
        organization=acme,
        began_at=timezone.now(),
        last_at=timezone.now(),
        targets=Targets.saved(prefixes=["203.0.113.60/32"]),
    )
    proposal = AlertProposal.objects.create(
        organization=acme,
        incident=incident,
        act=ProposedAct.MITIGATE,
        targets=incident.targets,
        made_at=timezone.now(),
    )
    url = f"/api/v1/organizations/acme/proposals/{proposal.pk}"

    answer = browser.post(
        f"{url}/dismiss", {"reason": "A load test"}, content_type="application/json"
    )
    browser.post("/portal/stop")

    assert answer.status_code == 200
    assert api_of(dana).get(url).json()["decided_by"] == NAME
    assert NAME in client_of(dana).get(f"{HOME}alerts").content.decode()
