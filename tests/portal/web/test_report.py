from __future__ import annotations

from datetime import timedelta

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.formatting import date
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest, Strategy
from portal.mitigations.states import Trigger
from portal.web.requests.timeline import SHOWN_EVENTS
from tests.conftest import ClientOf
from tests.portal.web.conftest import Ask, ended, filtering, mitigations_of, one_line, reports


def report_of(browser: Client, request: MitigationRequest, suffix: str = "") -> str:
    answer = browser.get(f"{request.get_absolute_url()}/report{suffix}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_report_names_its_organization_author_and_time(
    bob: User, alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])
    ended(request, alice)

    page = report_of(client_of(bob), request)

    assert "<b>Acme</b>" in page
    assert request.number in page
    assert f"{date(timezone.now())}</time>" in page
    assert "UTC, by bob." in one_line(page)


def test_an_ended_request_is_reported_from_start_to_end(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask(Strategy.PARALLEL)
    for one in mitigations_of(request):
        filtering(one)
    ended(request, alice)

    page = report_of(client_of(alice), request)

    assert "Terminated. Both providers confirmed." in page
    for number in ("Filtered for", "Request to first filter", "Total dropped", "Highest rate"):
        assert number in page
    assert "so far" not in page
    assert page.index("alice requested mitigation") < page.index("alice terminated the request.")
    assert '<details class="fold fold--s" id="amounts" open>' in page
    assert "203.0.113.0/26" in page
    assert "UDP flood" in page


def test_a_live_request_is_reported_until_now(alice: User, ask: Ask, client_of: ClientOf) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])
    Mitigation.objects.filter(request=request).update(
        mitigating_at=timezone.now() - timedelta(minutes=3)
    )

    page = report_of(client_of(alice), request)

    assert "This request is live. This report is as of" in page
    assert "The numbers so far; the request is still live." in page
    assert "3 <small>min</small>" in one_line(page)


def test_a_report_contains_more_of_the_timeline_than_the_page(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])
    for n in range(SHOWN_EVENTS + 5):
        services.extend(request_id=request.pk, actor=Actor.person(alice), lifetime_s=600 + n)

    page = report_of(client_of(alice), request)

    assert page.count("alice extended the request") == SHOWN_EVENTS + 5
    assert "Earlier entries" not in page


def test_dates_include_the_year(alice: User, ask: Ask, client_of: ClientOf) -> None:
    request = ask()
    [first] = mitigations_of(request)
    long_ago = timezone.now() - timedelta(days=400)
    reports(first, Trigger.FILTERING, long_ago, 1000)

    page = report_of(client_of(alice), request)

    assert f'<li class="dayrow">{date(long_ago)}</li>' in page
    assert f'<li class="dayrow">{date(timezone.now())}</li>' in page


def test_a_provider_that_was_not_asked_is_named_as_such(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])

    page = report_of(client_of(alice), request)

    assert page.count('<th scope="row">') >= 2
    assert "Not asked" in page


def test_a_report_can_be_saved_as_text(alice: User, ask: Ask, client_of: ClientOf) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])
    MitigationRequest.objects.filter(pk=request.pk).update(reason="A & B <flood>")

    browser = client_of(alice)
    answer = browser.get(f"{request.get_absolute_url()}/report.txt")
    text = answer.content.decode()

    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert request.number in answer["Content-Disposition"]
    assert "# Northgate reports it is filtering" in text
    assert "- Reason: A & B <flood>" in text
    assert "- Northgate Scrubbing: Mitigating. Reports that it is filtering." in text
    assert "alice requested mitigation for Shop front-end." in text


def test_the_request_page_links_to_its_report(alice: User, ask: Ask, client_of: ClientOf) -> None:
    request = ask()

    page = client_of(alice).get(request.get_absolute_url()).content.decode()

    assert f'href="{request.get_absolute_url()}/report"' in page


def test_a_report_takes_a_known_number_of_queries(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask(Strategy.PARALLEL)
    for one in mitigations_of(request):
        filtering(one)
    browser = client_of(alice)

    with CaptureQueriesContext(connection) as captured:
        report_of(browser, request)

    assert len(captured) <= 19


def test_another_organizations_report_does_not_exist_for_charlie(
    charlie: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    browser = client_of(charlie)

    for suffix in ("", ".txt"):
        path = f"{request.get_absolute_url()}/report{suffix}"
        assert browser.get(path).status_code == 404
        assert browser.get(path.replace("acme", "globex")).status_code == 404
