"""What detectors report of the attack, on the chart of the request that protects from it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertEndpoint, Incident, ReceivedAlert
from portal.alerts.queries import MAX_REPORTING
from portal.alerts.rates import MAX_RATES
from portal.alerts.services.endpoints import EndpointWish, add_endpoint
from portal.alerts.services.map_waiting import map_waiting
from portal.alerts.services.receive import accept
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Organization
from tests.conftest import ApiOf, ClientOf
from tests.factories import ResourceFactory
from tests.portal.web.conftest import Ask, ended, filtering, mitigations_of, text_of

Report = Callable[..., None]
GIGABIT = 1_000_000_000


def endpoint_of(organization: Organization, admin: User, name: str = "Edge") -> AlertEndpoint:
    wish = EndpointWish(name=name, source=AlertSource.PLAIN)
    return add_endpoint(organization=organization, actor=Actor.person(admin), wish=wish)[0]


def send(endpoint: AlertEndpoint, at: datetime, **fields: object) -> None:
    body = {"id": "a-1", "targets": ["203.0.113.7"], "vector": "udp flood", **fields}
    accept(endpoint, json.dumps(body).encode(), at)
    map_waiting()


@pytest.fixture
def report(alice: User, acme: Organization) -> Report:
    """A detector of acme reports, `ago` seconds ago."""
    edge = endpoint_of(acme, alice)

    def report(ago: float = 0, **fields: object) -> None:
        send(edge, timezone.now() - timedelta(seconds=ago), **fields)

    return report


def chart_on(page: str) -> str:
    return page.partition('id="p-chart"')[2].partition("</section>")[0]


@pytest.fixture
def page_of(alice: User, client_of: ClientOf) -> Callable[..., str]:
    browser = client_of(alice)

    def page_of(request: MitigationRequest, end: str = "") -> str:
        return browser.get(f"{request.get_absolute_url()}{end}").content.decode()

    return page_of


def test_the_attack_is_drawn_beside_what_is_dropped(
    ask: Ask, report: Report, page_of: Callable[..., str]
) -> None:
    request = ask()
    report(90, bps=9 * GIGABIT)
    report(20, bps=12 * GIGABIT, pps=1_500_000)
    filtering(mitigations_of(request)[0])

    page = page_of(request)

    chart = chart_on(page)
    said = text_of(chart)
    assert "The attack, and what providers drop" in said
    assert "Edge (203.0.113.7/32) reports 12 Gbit/s" in said
    assert "Northgate 800 Mbit/s" in said
    assert len(re.findall("M", re.findall('class="seen-dot" d="([^"]*)"', chart)[0])) == 2
    assert "last reported an attack of 12\u00a0Gbit/s" in chart
    assert "Edge (203.0.113.7/32) reported" in text_of(chart.partition("<thead>")[2])
    assert "Edge (203.0.113.7/32) reports 1,500,000 packets/s" in text_of(
        chart_on(page_of(request, "?unit=packet"))
    )


def test_the_report_that_led_to_the_request_is_drawn_although_it_is_earlier(
    ask: Ask, report: Report, page_of: Callable[..., str]
) -> None:
    request = ask()
    report(300, bps=9 * GIGABIT)

    chart = chart_on(page_of(request))

    assert re.findall('class="seen-dot" d="([^"]*)"', chart)[0].startswith("M0 ")
    assert "No provider has reported dropped traffic." in text_of(chart)


def test_an_old_report_looks_old(ask: Ask, report: Report, page_of: Callable[..., str]) -> None:
    request = ask()
    report(90, bps=9 * GIGABIT)

    said = chart_on(page_of(request))

    assert "last reported 9 Gbit/s, " in text_of(said)
    assert "<b>9\u00a0Gbit/s</b>" not in said


def test_the_last_report_before_the_end_looks_old_at_once(
    ask: Ask, report: Report, page_of: Callable[..., str]
) -> None:
    request = ask()
    report(10, bps=9 * GIGABIT)
    assert "<b>9\u00a0Gbit/s</b>" in chart_on(page_of(request))

    report(0, state="end")

    assert "last reported 9 Gbit/s, " in text_of(chart_on(page_of(request)))


def test_an_alert_without_a_rate_draws_nothing(
    ask: Ask, report: Report, page_of: Callable[..., str]
) -> None:
    request = ask()
    report()
    filtering(mitigations_of(request)[0])

    chart = chart_on(page_of(request))

    assert "Dropped by the providers" in text_of(chart)
    assert "seen-" not in chart


def test_the_rate_of_an_end_is_no_report_of_the_attack(ask: Ask, report: Report) -> None:
    ask()
    report(30, bps=9 * GIGABIT)
    report(0, bps=12 * GIGABIT, state="end")

    assert [one.bps for one in ReceivedAlert.objects.get().rates] == [9 * GIGABIT]


def test_attacks_on_targets_of_another_request_are_not_drawn(
    ask: Ask, acme: Organization, report: Report, page_of: Callable[..., str]
) -> None:
    ResourceFactory.create(organization=acme, name="Office", value="198.51.100.0/25")
    request = ask()
    report(id="a-1", bps=9 * GIGABIT)
    report(id="a-2", bps=10 * GIGABIT, targets=["198.51.100.7"])
    Incident.objects.update(request=request)

    chart = chart_on(page_of(request))

    assert "203.0.113.7/32" in chart
    assert "198.51.100.7" not in chart


def test_tenants_see_only_what_their_own_detectors_report(
    ask: Ask,
    alice: User,
    globex: Organization,
    charlie: User,
    report: Report,
    page_of: Callable[..., str],
    client_of: ClientOf,
    api_of: ApiOf,
) -> None:
    request = ask()
    report(bps=9 * GIGABIT)
    ResourceFactory.create(organization=globex, name="Shop", value="203.0.113.0/26")
    send(endpoint_of(globex, charlie, "Foreign"), timezone.now(), bps=77 * GIGABIT)
    # Not even an incident that names the request by mistake.
    Incident.objects.update(request=request)

    assert "Foreign" not in page_of(request)
    path = f"/api/v1/organizations/acme/mitigation-requests/{request.pk}/alerts"
    listed = api_of(alice).get(path).json()["results"]
    assert [one["bps"] for one in listed] == [9 * GIGABIT]
    assert client_of(charlie).get(request.get_absolute_url()).status_code == 404
    assert api_of(charlie).get(path).status_code == 404


def test_the_report_and_its_text_name_the_detector(
    ask: Ask, alice: User, report: Report, page_of: Callable[..., str]
) -> None:
    request = ask()
    report(30, bps=9 * GIGABIT)
    filtering(mitigations_of(request)[0])
    ended(request, alice)
    request.refresh_from_db()

    assert "Edge (203.0.113.7/32) reported" in text_of(chart_on(page_of(request, "/report")))
    text = page_of(request, "/report.txt")
    assert "Reported by detectors, and dropped by the providers, newest first" in text
    assert "Time  Edge (203.0.113.7/32) reported  Northgate" in text
    assert "9\u00a0Gbit/s" in text


def test_a_live_page_asks_for_the_chart_while_a_detector_may_repeat_its_report(
    ask: Ask, alice: User, report: Report, page_of: Callable[..., str]
) -> None:
    request = ask()
    assert "data-repeated" not in page_of(request)
    report(30, bps=9 * GIGABIT)
    assert "data-repeated" in page_of(request)
    assert "data-repeated" in page_of(request, "?parts=chart")

    report(0, state="end")

    assert "data-repeated" not in page_of(request)


def test_the_largest_attacks_are_drawn_and_the_chart_says_that_there_are_more(
    ask: Ask, report: Report, page_of: Callable[..., str]
) -> None:
    request = ask()
    for number in range(4):
        report(30, id=str(number), targets=[f"203.0.113.{number}"], bps=(number + 1) * GIGABIT)

    said = text_of(chart_on(page_of(request)))

    assert "203.0.113.3/32" in said
    assert "203.0.113.0/32" not in said
    assert "Smaller attacks that detectors report are not drawn." in said


def test_a_long_attack_by_many_detectors_is_read_and_kept_within_bounds(
    ask: Ask, alice: User, acme: Organization, page_of: Callable[..., str]
) -> None:
    request = ask()
    edge = endpoint_of(acme, alice)
    now = timezone.now()
    for number in range(MAX_RATES + 20):
        send(edge, now - timedelta(seconds=800 - 10 * number), bps=GIGABIT + number)
    for number in range(MAX_REPORTING + 5):
        send(edge, now, id=str(uuid4()), bps=2 * GIGABIT + number)

    chart = chart_on(page_of(request))

    assert len(ReceivedAlert.objects.get(event_id="a-1").rates) == MAX_RATES
    assert chart.count('class="seen-dot"') == 3


def test_a_program_reads_what_the_chart_is_made_from(
    ask: Ask, alice: User, report: Report, api_of: ApiOf
) -> None:
    request = ask()
    report(50, bps=9 * GIGABIT, pps=1000)
    report(20, bps=9 * GIGABIT, pps=1000)
    report(10, bps=12 * GIGABIT)

    answer = api_of(alice).get(
        f"/api/v1/organizations/acme/mitigation-requests/{request.pk}/alerts"
    )

    [alert] = answer.json()["results"]
    assert alert["incident"] == str(Incident.objects.get().pk)
    [first, second] = alert["rates"]
    assert (first["bps"], first["pps"]) == (9 * GIGABIT, 1000)
    assert first["at"] < first["until"] < second["at"] == second["until"]
    assert (second["bps"], second["pps"]) == (12 * GIGABIT, None)
