"""What every person gets from every route."""

from __future__ import annotations

from copy import copy, deepcopy
from typing import Any, Final

import pytest
from django.test import Client

from portal.mitigations.models import MitigationRequest
from tests import routes
from tests.conftest import undone
from tests.permissions import PEOPLE, PROGRAM
from tests.permissions.api_table import API
from tests.permissions.page_table import PAGES
from tests.routes import call, named_routes, url_of

pytestmark = pytest.mark.exhaustive

EXEMPT: Final = {
    "staff": "Django's own pages: each asks StaffSite.has_permission first, as the rows above show",
}

asked = routes.asked


def lacks_banner(route: str, answer: Any) -> bool:
    """Whether a page does not say that staff act for an organization: all do but Django's own."""
    is_page = answer.get("Content-Type", "").startswith("text/html") and answer.content
    is_ours = route.partition(":")[0] not in ("api", "staff")
    return is_page and is_ours and "Every step is logged" not in answer.content.decode()


@pytest.mark.timeout(600)  # for 300 calls on a busy machine: ten seconds otherwise
@pytest.mark.parametrize("table", [API, PAGES], ids=["api", "pages"])
def test_every_role_gets_the_expected_answer(
    browsers: dict[str, Client], asked: MitigationRequest, table: list[tuple[Any, ...]]
) -> None:
    wrong: list[str] = []
    for method, route, *answers in table:
        url = url_of(route, asked.pk)
        for person, expected in zip(PEOPLE, answers[: len(PEOPLE)], strict=True):
            browser = copy(browsers[person])
            # A call may end its session.
            browser.cookies = deepcopy(browser.cookies)
            with undone():
                answer = call(browser, method, route, url)
            who = f"{person}: {method} {route} got {answer.status_code}"
            if answer.status_code != expected:
                wrong.append(f"{who} instead of {expected}")
            elif person == "anonymous" and expected == 302:
                if not answer["Location"].startswith("/sign-in"):
                    wrong.append(f"{who} to {answer['Location']}")
            elif person in ("charlie", "staff") and expected in (403, 404):
                page = answer.content.decode()
                wrong += [f"{who} with {word}" for word in (str(asked.pk), "Acme") if word in page]
            elif person == "acting" and lacks_banner(route, answer):
                wrong.append(f"{who} without the banner")

    assert wrong == []


def test_every_row_has_an_answer_for_every_kind_of_person() -> None:
    assert [row for row in API if len(row) != 2 + len((*PEOPLE, PROGRAM))] == []
    assert [row for row in PAGES if len(row) != 2 + len(PEOPLE)] == []
    calls = [(method, route) for method, route, *_ in [*API, *PAGES]]
    assert len(set(calls)) == len(calls)


def test_every_named_route_is_in_the_table() -> None:
    listed = {route for _, route, *_ in [*API, *PAGES]}
    named = {name for name, _ in named_routes() if name.partition(":")[0] not in EXEMPT}

    assert named <= listed
