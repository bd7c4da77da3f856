"""What staff see of all organizations."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.states import RequestStatus, Status
from portal.mitigations.validation import Submission
from portal.organizations import suspension
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import SessionState, Subscription
from portal.readiness.customers import Concern, ConcernFound, Customer, customers
from portal.wording.customers import WORDS
from tests.conftest import ApiOf, ClientOf
from tests.factories import OrganizationFactory

STATEMENTS = 7


def acme_of(found: list[Customer]) -> Customer:
    return next(one for one in found if one.slug == "acme")


def concerns() -> list[Concern]:
    return [one.concern for one in acme_of(customers(timezone.now())).found]


def request_of(acme: Organization, dana: User) -> MitigationRequest:
    submission = Submission(prefixes=("203.0.113.7/32",))
    return services.submit(organization=acme, actor=Actor.person(dana), submission=submission)


@pytest.fixture
def ready(
    acme: Organization, alice: User, shop: ProtectedResource, acme_northgate: Subscription
) -> Organization:
    return acme


def test_a_ready_organization_has_no_concern(ready: Organization) -> None:
    assert concerns() == []


def test_a_new_organization_is_not_ready(acme: Organization) -> None:
    assert concerns() == [Concern.NO_PROVIDER, Concern.NO_RESOURCE, Concern.NO_ADMIN]


def test_an_admin_without_a_second_factor_cannot_sign_in(ready: Organization, alice: User) -> None:
    alice.authenticator_set.all().delete()

    found = acme_of(customers(timezone.now()))

    assert [one.concern for one in found.found] == [Concern.NO_ADMIN]
    assert (found.admins, found.members) == (1, 1)


def test_requests_and_providers_in_trouble_come_first(
    ready: Organization, dana: User, mo: User
) -> None:
    request = request_of(ready, dana)
    now = timezone.now()
    MitigationRequest.objects.filter(pk=request.pk).update(status=RequestStatus.FAILING)
    Mitigation.objects.update(overdue_at=now - timedelta(minutes=3))
    Subscription.objects.update(session_state=SessionState.DOWN, session_since=now)
    suspension.suspend(slug="acme", actor=Actor.person(mo), reason="Unpaid for three months")

    found = acme_of(customers(now))

    assert found.found[:4] == (
        ConcernFound(concern=Concern.FAILING, at=request.created_at),
        ConcernFound(concern=Concern.NO_ANSWER, at=now - timedelta(minutes=3)),
        ConcernFound(concern=Concern.LIVE, at=request.created_at),
        ConcernFound(concern=Concern.SESSION_DOWN, at=now),
    )
    assert [one.concern for one in found.found[4:]] == [Concern.SUSPENDED]
    assert found.live == 1


def test_an_attack_beyond_a_provider_is_named(ready: Organization, dana: User) -> None:
    request_of(ready, dana)
    now = timezone.now()
    Mitigation.objects.update(status=Status.EXCEEDED, reported_at=now)

    assert concerns() == [Concern.OVER_CAPACITY, Concern.LIVE]


def test_an_ended_request_is_no_concern(ready: Organization, dana: User) -> None:
    request_of(ready, dana)
    MitigationRequest.objects.update(status=RequestStatus.TERMINATED)
    Mitigation.objects.update(overdue_at=timezone.now(), status=Status.EXCEEDED)

    assert concerns() == []


def test_the_worst_and_then_the_oldest_come_first(
    ready: Organization, dana: User, globex: Organization
) -> None:
    request_of(ready, dana)
    quiet = OrganizationFactory.create(slug="zeta", name="Zeta")

    assert [one.slug for one in customers(timezone.now())] == ["acme", "globex", quiet.slug]
    assert [one.slug for one in customers(timezone.now(), name="ZET")] == ["zeta"]


def test_every_concern_has_words() -> None:
    assert set(WORDS) == set(Concern)
    for words in WORDS.values():
        assert words.sentence(1)
        assert words.sentence(2)


def test_a_thousand_organizations_cost_no_more_statements(ready: Organization, dana: User) -> None:
    request_of(ready, dana)
    Organization.objects.bulk_create(
        Organization(slug=f"many-{number}", name=f"Many {number}") for number in range(1000)
    )

    with CaptureQueriesContext(connection) as queries:
        found = customers(timezone.now())

    assert len(found) == 1001
    assert len(queries) == STATEMENTS, [one["sql"][:200] for one in queries]


def test_the_page_and_the_call_say_why_and_are_paged(
    ready: Organization, dana: User, mo: User, client_of: ClientOf, api_of: ApiOf
) -> None:
    request = request_of(ready, dana)
    Organization.objects.bulk_create(
        Organization(slug=f"many-{number}", name=f"Many {number}") for number in range(60)
    )
    browser = client_of(mo)

    first = browser.get("/portal/organizations/").content.decode()
    assert first.index("Acme") < first.index("Many 0")
    assert "It has 1\u00a0live request." in first
    assert request.name not in first
    assert "203.0.113" not in first
    assert "page=2" in first
    second = browser.get("/portal/organizations/?page=2").content.decode()
    assert "Acme" not in second
    assert "Acme" in browser.get("/portal/organizations/?find=acm").content.decode()
    nothing = browser.get("/portal/organizations/?find=no-such&page=x").content.decode()
    assert "Nothing matches" in nothing
    api = api_of(mo)
    page = api.get("/api/v1/organizations").json()
    assert (page["count"], len(page["results"])) == (61, 50)
    assert page["results"][0]["concerns"][0]["code"] == "live"
    assert len(api.get(page["next"]).json()["results"]) == 11
    assert api.get("/api/v1/organizations?page=0").status_code == 400


def test_a_closed_organization_needs_no_look(
    acme: Organization, alice: User, mo: User, client_of: ClientOf
) -> None:
    before = client_of(mo).get("/portal/organizations/").content.decode()
    Organization.objects.update(is_active=False)

    after = client_of(mo).get("/portal/organizations/").content.decode()

    assert "1 of 1 organization needs a look" in before
    assert "No organization needs you" in after
    assert concerns() == [Concern.CLOSED]


def test_a_closed_organization_with_a_live_request_needs_a_look(
    ready: Organization, dana: User
) -> None:
    request_of(ready, dana)
    Organization.objects.update(is_active=False)

    assert acme_of(customers(timezone.now())).needs_look
