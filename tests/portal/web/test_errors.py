from __future__ import annotations

import logging

import pytest
from django.test import Client, RequestFactory

from portal.accounts.models import User
from portal.core import views
from portal.organizations.models import Organization, Role
from tests.conftest import ClientOf
from tests.factories import PASSWORD, MembershipFactory, OrganizationFactory


def test_a_mistyped_address_gets_a_page_with_a_link_back(db: None) -> None:
    answer = views.page_not_found(RequestFactory().get("/nowhere"))

    assert answer.status_code == 404
    assert "Page not found." in answer.content.decode()
    assert 'href="/"' in answer.content.decode()


def test_a_refusal_keeps_the_navigation_the_person_may_see(bob: User, client_of: ClientOf) -> None:
    answer = client_of(bob).get("/organizations/acme/requests/new")

    page = answer.content.decode()
    assert answer.status_code == 403
    assert "Your role does not allow this." in page
    assert "/organizations/acme/requests" in page
    assert "Request mitigation" not in page


@pytest.mark.parametrize(
    ("path", "organization"),
    [
        ("/organizations/acme/no-such-page", "Acme"),
        ("/organizations/globex/no-such-page", "Globex"),
        ("/organizations/globex/requests/5c1a3a3e-0000-4000-8000-000000000000", "Globex"),
        ("/no-such-page", "Acme"),
        ("/organizations/nowhere/", "Acme"),
        ("/organizations/others/", "Acme"),
    ],
)
def test_an_error_page_keeps_the_navigation_of_the_members_organization(
    bob: User,
    globex: Organization,
    client_of: ClientOf,
    path: str,
    organization: str,
) -> None:
    MembershipFactory.create(user=bob, organization=globex, role=Role.VIEWER)
    OrganizationFactory.create(slug="others", name="Others")

    page = client_of(bob).get(path).content.decode()

    assert "Page not found." in page
    assert f'<span class="name">{organization}</span>' in page
    assert f'href="/organizations/{organization.lower()}/requests"' in page
    assert "Others" not in page


def test_an_error_page_names_no_organization_before_the_second_factor(alice: User) -> None:
    browser = Client()
    browser.force_login(alice)

    page = browser.get("/enrol/no-such-page", follow=True).content.decode()

    assert "Acme" not in page


def test_a_failure_page_has_a_reference_and_a_phone_number_without_queries(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # No `db` fixture: a query would fail this test.
    with caplog.at_level(logging.ERROR, logger="portal.core.views"):
        answer = views.server_error(RequestFactory().get("/organizations/acme/"))

    page = answer.content.decode()
    reference = caplog.messages[0].split()[1].rstrip(":")
    assert answer.status_code == 500
    assert f'<span class="mono">{reference}</span>' in page
    assert "Your live requests continue." in page
    assert "+1 555 0100" in page


def test_an_expired_form_is_refused_with_a_page(alice: User) -> None:
    browser = Client(enforce_csrf_checks=True)

    answer = browser.post("/sign-in", {"username": "alice", "password": PASSWORD})

    assert answer.status_code == 403
    assert "Nothing was changed: this page is out of date." in answer.content.decode()


def test_other_refusals_get_pages_too(db: None) -> None:
    request = RequestFactory().get("/")

    assert views.bad_request(request).status_code == 400
    assert views.permission_denied(request).status_code == 403
