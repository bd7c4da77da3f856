from __future__ import annotations

import logging

import pytest
from django.test import Client, RequestFactory

from portal.accounts.models import User
from portal.core import views
from tests.conftest import ClientOf
from tests.factories import PASSWORD


def test_a_mistyped_address_is_a_page_with_a_way_back(db: None) -> None:
    answer = views.page_not_found(RequestFactory().get("/nowhere"))

    assert answer.status_code == 404
    assert "There is nothing here." in answer.content.decode()
    assert 'href="/"' in answer.content.decode()


def test_a_refusal_keeps_the_header_of_what_may_be_seen(bob: User, client_of: ClientOf) -> None:
    answer = client_of(bob).get("/organizations/acme/requests/new")

    page = answer.content.decode()
    assert answer.status_code == 403
    assert "Your role does not allow this." in page
    assert "/organizations/acme/requests" in page
    assert "Request mitigation" not in page


def test_a_failure_names_a_reference_and_a_phone_number_and_asks_no_database(
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


def test_an_old_form_is_refused_in_words(alice: User) -> None:
    browser = Client(enforce_csrf_checks=True)

    answer = browser.post("/sign-in", {"username": "alice", "password": PASSWORD})

    assert answer.status_code == 403
    assert "Nothing was done: the page was too old." in answer.content.decode()


def test_other_refusals_are_pages_too(db: None) -> None:
    request = RequestFactory().get("/")

    assert views.bad_request(request).status_code == 400
    assert views.permission_denied(request).status_code == 403
