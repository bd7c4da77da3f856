"""Readiness on the calm page."""

from __future__ import annotations

from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services as mitigations
from portal.mitigations.models import MitigationRequest
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.conftest import ClientOf
from tests.factories import (
    MembershipFactory,
    UserFactory,
)
from tests.portal.identities import pem
from tests.portal.readiness.drilled import NOW_PAGE, PAGE


def test_the_calm_page_gives_its_evidence_and_counts(
    alice: User, all_well: None, client_of: ClientOf
) -> None:
    page = client_of(alice).get(NOW_PAGE).content.decode()

    assert "Ready. Nothing is being mitigated." in page
    assert "Both providers are connected. In the last drill that passed, 3\u00a0days ago" in page
    assert "All 15 checks pass." in page
    assert f'href="{PAGE}"' in page


def test_the_calm_page_is_not_ready_when_a_check_fails(
    alice: User, all_well: None, client_of: ClientOf
) -> None:
    Subscription.objects.filter(priority=1).update(certificate_chain=pem(-1))

    page = client_of(alice).get(NOW_PAGE).content.decode()

    assert "Not ready: the certificate for Northgate has expired." in page
    assert "Nothing is being mitigated." in page
    assert "Ready. Nothing" not in page


def test_the_calm_page_names_what_to_fix(
    alice: User, acme: Organization, all_well: None, client_of: ClientOf
) -> None:
    Subscription.objects.filter(priority=2).update(certificate_chain=pem(12))
    MembershipFactory.create(organization=acme, user=UserFactory.create(username="carol"))
    ProtectedResource.objects.create(organization=acme, name="Mail", kind="fqdn", value="m.example")

    page = client_of(alice).get(NOW_PAGE).content.decode()

    assert "Ready. Nothing is being mitigated." in page
    assert "Ready. Fix three things soon." in page
    assert "Tidewall’s certificate expires in 11\u00a0days; Mail is not verified; " in page
    assert "carol has no second factor." in page


def test_readiness_is_omitted_while_a_request_is_live(
    alice: User, acme: Organization, all_well: None, client_of: ClientOf
) -> None:
    mitigations.submit(
        organization=acme,
        actor=Actor.person(alice),
        submission=Submission(prefixes=("203.0.113.7/32",)),
    )
    assert MitigationRequest.objects.count() == 2

    assert "Would it work now?" not in client_of(alice).get(NOW_PAGE).content.decode()


def test_a_calm_page_takes_a_known_number_of_queries(
    alice: User, all_well: None, client_of: ClientOf
) -> None:
    browser = client_of(alice)

    with CaptureQueriesContext(connection) as captured:
        assert browser.get(NOW_PAGE).status_code == 200

    assert len(captured) <= 28
