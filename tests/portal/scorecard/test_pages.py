"""The page, the table and the form of service levels."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.accounts.models import User
from portal.events.models import EventType
from portal.mitigations.models import MitigationRequest
from portal.mitigations.states import Trigger
from portal.organizations.models import Organization
from portal.providers.models import Provider, Subscription
from portal.scorecard import queries
from portal.scorecard.models import ServiceLevels
from portal.scorecard.periods import Month
from tests.conftest import ClientOf
from tests.portal.scorecard.conftest import (
    NOON,
    Ask,
    accepted,
    refused,
    reported,
    seconds,
    sent,
    session,
)
from tests.portal.web.conftest import text_of

PAGE = "/organizations/acme/scorecard"
STAFF_PAGE = "/portal/scorecard"
OCTOBER = {"from": "2026-10"}


@pytest.fixture
def twelve(ask: Ask) -> None:
    """Eleven that filter after 2 to 12 s, and one that is refused."""
    for number in range(12):
        one = ask()
        sent(one)
        if number == 11:
            refused(one, NOON + seconds(1))
            continue
        accepted(one, NOON + seconds(1))
        reported(one, 2, Trigger.FILTERING, NOON + seconds(2 + number))


def read(browser: Client, path: str = PAGE, **query: str) -> str:
    return text_of(browser.get(path, query or OCTOBER).content.decode())


def test_the_page_shows_figures_beside_service_levels(
    bob: User, twelve: None, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    ServiceLevels.objects.create(
        subscription=acme_northgate, filter_within_s=8, availability=Decimal("99.9")
    )

    page = read(client_of(bob))

    assert "Scorecard of providers, October 2026" in page
    assert "Acme" in page
    assert "7 s Insufficient data (11 of 20) 11 8 s: 7 of 11 within" in page
    assert "Refused 1 of 12 sent (8.3 %) 4.09: 1 mitigation." in page
    assert "Session Insufficient data Agreed: 99.9 %." in page


def test_an_empty_month_says_that_there_is_too_little(
    bob: User, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    page = read(client_of(bob))

    assert page.count("Insufficient data (0 of 5)") == 3
    assert "Asked Never" in page
    assert "People said Nothing about the attacks" in page


def test_several_months_have_a_line_each(bob: User, twelve: None, client_of: ClientOf) -> None:
    page = read(client_of(bob), **{"from": "2026-09", "to": "2026-10"})

    assert "September 2026 to October 2026" in page
    assert "September 2026 0 Insufficient data (0 of 5)" in page


def test_the_current_month_is_shown_first_and_says_that_it_is_not_over(
    bob: User, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    page = text_of(client_of(bob).get(PAGE).content.decode())

    assert "Not over yet: these are the figures so far." in page


def test_months_are_those_of_the_reader(bob: User, ask: Ask, client_of: ClientOf) -> None:
    ask(NOON.replace(day=31, hour=23, minute=30))
    User.objects.filter(pk=bob.pk).update(time_zone="Europe/Prague")
    browser = client_of(bob)

    assert "Asked Never" in read(browser)
    assert "Asked Once" in read(browser, **{"from": "2026-11"})


@pytest.mark.parametrize(
    "query", [{"from": "2026-99"}, {"from": "2999-01"}, {"from": "2026-10", "to": "2026-09"}]
)
def test_a_wrong_period_is_named_on_the_page(
    bob: User, acme_northgate: Subscription, client_of: ClientOf, query: dict[str, str]
) -> None:
    answer = client_of(bob).get(PAGE, query)

    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()
    assert client_of(bob).get(f"{PAGE}.csv", query).status_code == 400


def test_a_period_with_too_much_is_refused_on_the_page(
    bob: User, twelve: None, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "MAX_MITIGATIONS", 5)

    answer = client_of(bob).get(PAGE, OCTOBER)

    assert answer.status_code == 409
    assert "Choose fewer months." in answer.content.decode()
    assert client_of(bob).get(f"{PAGE}.csv", OCTOBER).status_code == 409


def rows_of(browser: Client, path: str, **query: str) -> list[dict[str, str]]:
    answer = browser.get(path, query or OCTOBER)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].endswith('.csv"')
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def test_the_table_has_a_line_for_each_month_and_for_the_period(
    bob: User, twelve: None, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    ServiceLevels.objects.create(subscription=acme_northgate, filter_within_s=8)

    september, october, both = rows_of(
        client_of(bob), f"{PAGE}.csv", **{"from": "2026-09", "to": "2026-10"}
    )

    assert (september["months"], both["months"]) == ("2026-09", "2026-09 to 2026-10")
    assert (september["asked"], september["filter_median_s"]) == ("0", "")
    assert (october["asked"], october["filter_median_s"], october["filter_p95_s"]) == (
        "12", "7.0", ""
    )  # fmt: skip
    assert (october["filter_agreed_s"], october["filter_within_agreed"]) == ("8", "7")
    assert (october["refusals"], october["completeness"]) == ("4.09: 1", "complete")


def test_a_name_is_never_a_formula(
    bob: User, acme: Organization, northgate: Provider, twelve: None, client_of: ClientOf
) -> None:
    Provider.objects.filter(pk=northgate.pk).update(name="=1+1")
    Organization.objects.filter(pk=acme.pk).update(name="@SUM(A1)")

    (row,) = rows_of(client_of(bob), f"{PAGE}.csv")

    assert (row["provider"], row["organization"]) == ("'=1+1", "'@SUM(A1)")


def test_staff_see_all_organizations_together_and_no_name_of_one(
    mo: User,
    twelve: None,
    globex_northgate: Subscription,
    client_of: ClientOf,
    acme_northgate: Subscription,
) -> None:
    ServiceLevels.objects.create(subscription=acme_northgate, filter_within_s=8)
    session(globex_northgate, EventType.SESSION_UP, NOON)
    browser = client_of(mo)

    page = read(browser, STAFF_PAGE)
    (row,) = rows_of(browser, f"{STAFF_PAGE}.csv")

    assert "Asked 12 times" in page
    assert "Asked by 1 organization." in page
    assert "4.09: 1 mitigation." in page
    assert (row["organization"], row["asked"], row["filter_agreed_s"]) == ("all", "12", "")
    table = browser.get(f"{STAFF_PAGE}.csv", OCTOBER).content.decode()
    for word in ("Acme", "Globex", "203.0.113", "alice", "Network"):
        assert word not in page
        assert word not in table


def test_another_organization_sees_nothing_of_it(
    charlie: User, twelve: None, globex_northgate: Subscription, client_of: ClientOf
) -> None:
    browser = client_of(charlie)

    assert browser.get(PAGE).status_code == 404
    assert browser.get(f"{PAGE}.csv").status_code == 404
    page = read(browser, "/organizations/globex/scorecard")
    assert "Asked Never" in page


def test_an_admin_types_service_levels(
    alice: User, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    path = f"/organizations/acme/settings/providers/{acme_northgate.provider_id}/service-levels"
    browser = client_of(alice)

    answer = browser.post(
        path,
        {"accept_within_s": " 10 ", "filter_within_s": "", "availability": "99,95 %"},
    )

    assert answer.status_code == 302
    row = ServiceLevels.objects.get()
    assert (row.accept_within_s, row.filter_within_s, row.stop_within_s) == (10, None, None)
    assert row.availability == Decimal("99.95")
    form = browser.get(path).content.decode()
    assert 'value="10"' in form
    assert 'value="99.95"' in form


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("accept_within_s", "soon"),
        ("accept_within_s", "0"),
        ("accept_within_s", "²"),
        ("filter_within_s", "99999999999999999999"),
        ("stop_within_s", "-5"),
        ("availability", "all the time"),
        ("availability", "101"),
        ("availability", "٩٩"),
        ("availability", "99.12345"),
    ],
)
def test_a_wrong_service_level_is_named_at_its_field_and_nothing_is_saved(
    alice: User, acme_northgate: Subscription, client_of: ClientOf, field: str, text: str
) -> None:
    path = f"/organizations/acme/settings/providers/{acme_northgate.provider_id}/service-levels"

    answer = client_of(alice).post(path, {field: text})

    assert answer.status_code == 400
    page = answer.content.decode()
    assert f'id="{field}-e"' in page
    assert "Nothing was saved. Correct one thing." in page
    assert not ServiceLevels.objects.exists()


def test_the_form_of_a_foreign_or_unconnected_provider_does_not_exist(
    alice: User, tidewall: Provider, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    path = f"/organizations/acme/settings/providers/{tidewall.pk}/service-levels"

    assert client_of(alice).get(path).status_code == 404


def test_the_number_of_queries_does_not_grow_with_the_log(
    bob: User, ask: Ask, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    browser = client_of(bob)
    query = {"from": str(Month(2025, 12)), "to": "2026-11"}

    def queries_of_page() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert browser.get(PAGE, query).status_code == 200
        return len(captured)

    queries_of_page()
    before = queries_of_page()
    for number in range(20):
        one = ask(NOON - timedelta(days=30 * (number % 6)))
        sent(one)
        refused(one, NOON + seconds(1), f"4.{number:02}")
        session(acme_northgate, EventType.SESSION_UP, NOON - timedelta(days=number))

    assert queries_of_page() == before
    assert before <= 24


def test_nothing_is_shown_of_requests_after_the_end_of_the_period(
    bob: User, ask: Ask, client_of: ClientOf
) -> None:
    one = ask()
    MitigationRequest.objects.filter(pk=one.request_id).update(created_at=timezone.now())

    assert "Asked Never" in read(client_of(bob))
