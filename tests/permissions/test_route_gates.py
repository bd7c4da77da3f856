"""What stands before every route: the second factor, and the defence against other sites."""

from __future__ import annotations

from portal.accounts.models import User
from portal.mitigations.models import MitigationRequest
from tests import routes
from tests.conftest import ClientOf, HalfSignedIn
from tests.permissions.api_table import API
from tests.permissions.page_table import PAGES
from tests.routes import named_routes, url_of

asked = routes.asked
WITHOUT_COOKIES = ("api:token", "api:receive-alerts", "me:stop-notices")
"""Routes that no session opens: they have their own password, secret or signed link."""


def test_a_session_without_a_second_factor_opens_no_page(
    alice: User, asked: MitigationRequest, half_signed_in: HalfSignedIn
) -> None:
    browser = half_signed_in(alice)

    for name, _ in named_routes():
        if name.startswith("requests:"):
            answer = browser.get(url_of(name, asked.pk))
            assert (answer.status_code, answer["Location"]) == (302, "/sign-in/code"), name


def test_every_changing_route_refuses_other_sites(
    alice: User, asked: MitigationRequest, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    browser.handler.enforce_csrf_checks = True

    for method, route, *_ in [*API, *PAGES]:
        if method == "POST" and route not in WITHOUT_COOKIES:
            assert browser.post(url_of(route, asked.pk)).status_code == 403, route
