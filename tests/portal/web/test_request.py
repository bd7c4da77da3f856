from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.queries import last_seq
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest, Strategy
from portal.mitigations.states import RequestStatus, Trigger
from tests.conftest import ApiOf, ClientOf
from tests.portal.web.conftest import Ask, ended, filtering, mitigations_of, one_line, reports, sent


def page_of(browser: Client, request: MitigationRequest, query: str = "") -> str:
    return browser.get(f"{request.get_absolute_url()}{query}").content.decode()


def test_both_cards_show_who_filters_and_how_much(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask(Strategy.PARALLEL)
    for one in mitigations_of(request):
        filtering(one)

    page = page_of(client_of(alice), request)

    assert "Both providers report they are filtering." in page
    assert "Together they drop 1.6\u00a0Gbit/s." in page
    assert page.count("<strong>Reports that it is filtering.</strong>") == 2
    assert "How does it look from your side?" in page
    assert "<title>Mitigating – Shop front-end – Acme" in page


def test_failover_cards_are_numbered_and_include_providers_not_asked(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    sent(mitigations_of(request)[0], timezone.now())

    page = page_of(client_of(alice), request)

    assert "1. Northgate Scrubbing" in one_line(page)
    assert "2. Tidewall" in one_line(page)
    assert 'data-status="not_asked"' in page
    assert "Sent to Northgate 0\u00a0s ago." in page


def test_a_silent_provider_gets_a_call_link_with_the_reference(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    first = mitigations_of(request)[0]
    sent(first, timezone.now() - timedelta(seconds=15))
    services.mark_overdue(now=timezone.now() + timedelta(seconds=15))

    later = timezone.now() + timedelta(seconds=15)
    MitigationRequest.objects.filter(pk=request.pk).update(created_at=later - timedelta(minutes=1))
    type(first).objects.filter(pk=first.pk).update(overdue_at=timezone.now())
    page = page_of(client_of(alice), request)

    assert "No answer" in page
    assert 'href="tel:+15550142"' in page
    assert f"cuid {first.subscription.cuid}, mid {first.mid}" in page


def test_terminating_asks_for_confirmation_first(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])
    browser = client_of(alice)

    question = browser.get(f"{request.get_absolute_url()}/terminate").content.decode()
    answer = browser.post(f"{request.get_absolute_url()}/terminate")

    assert "Terminate while the attack goes on?" in question
    assert "That traffic will reach you" in question
    assert "Keep filtering" in question
    assert answer["Location"] == f"{request.get_absolute_url()}#h"
    request.refresh_from_db()
    assert request.status == RequestStatus.TERMINATING


def test_terminating_twice_is_harmless_and_asks_only_once(
    alice: User, dana: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    client_of(alice).post(f"{request.get_absolute_url()}/terminate")
    browser = client_of(dana)

    assert browser.post(f"{request.get_absolute_url()}/terminate").status_code == 302
    question = browser.get(f"{request.get_absolute_url()}/terminate")
    assert question["Location"] == request.get_absolute_url()


def test_an_unsent_request_says_so_when_it_ends(alice: User, ask: Ask, client_of: ClientOf) -> None:
    request = ask()
    services.terminate(request_id=request.pk, actor=Actor.person(alice))

    page = page_of(client_of(alice), request)

    assert "Terminated. Nothing had been sent." in page


def test_the_question_is_red_only_while_a_provider_filters(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    browser = client_of(alice)
    before = page_of(browser, request)
    filtering(mitigations_of(request)[0])

    after = page_of(browser, request)

    assert "btn--end-now" not in before
    assert after.count("btn--end-now") == 1


def test_extending_asks_the_providers_for_a_longer_lifetime(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])

    client_of(alice).post(f"{request.get_absolute_url()}/extend", {"lifetime": "14400"})

    request.refresh_from_db()
    assert request.lifetime_s == 14400


def test_a_lifetime_beyond_the_limit_is_an_error_on_the_page(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    browser = client_of(alice)

    answer = browser.post(
        f"{request.get_absolute_url()}/extend", {"lifetime": "9999999"}, follow=True
    )

    assert "Acme allows at most 24 hours. Choose 24 hours; it can renew automatically." in (
        answer.content.decode()
    )


def test_the_second_person_to_act_sees_who_was_first(
    alice: User, dana: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    sent(mitigations_of(request)[0], timezone.now())
    services.terminate(request_id=request.pk, actor=Actor.person(dana))

    answer = client_of(alice).post(
        f"{request.get_absolute_url()}/extend", {"lifetime": "3600"}, follow=True
    )

    assert re.search(
        r"dana terminated this at \d\d:\d\d:\d\d UTC. Nothing more to do.", answer.content.decode()
    )


def test_an_attack_report_is_sent_and_shown(alice: User, ask: Ask, client_of: ClientOf) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])

    answer = client_of(alice).post(
        f"{request.get_absolute_url()}/efficacy", {"attack_status": "under-attack"}, follow=True
    )

    assert "alice told Northgate: still under attack." in answer.content.decode()


@pytest.mark.parametrize(
    ("answer", "said", "detail"),
    [
        ({"is_accepted": True}, "Northgate received your answer.", "Northgate received it."),
        (
            {"is_accepted": False, "code": "5.03", "reason": "busy", "retry_after_s": 60},
            "Northgate asked the portal to retry later.",
            "Retrying at {again}.",
        ),
        (
            {"is_accepted": False, "code": "4.00", "reason": "no attack here"},
            "Northgate did not accept your answer.",
            "Northgate says: no attack here.",
        ),
        (
            {"is_accepted": False},
            "Northgate has not confirmed your answer.",
            "Northgate has not confirmed it.",
        ),
    ],
)
def test_the_outcome_of_a_report_is_on_the_page_and_in_the_api(
    alice: User,
    ask: Ask,
    client_of: ClientOf,
    api_of: ApiOf,
    answer: dict[str, Any],
    said: str,
    detail: str,
) -> None:
    request, now = ask(), timezone.now()
    filtering(mitigations_of(request)[0])
    services.report_efficacy(
        request_id=request.pk, actor=Actor.person(alice), attack_status="under-attack"
    )
    mitigation = mitigations_of(request)[0]
    assert mitigation.efficacy_asked_at is not None

    services.record_efficacy_answered(
        mitigation_id=mitigation.pk, asked_at=mitigation.efficacy_asked_at, now=now, **answer
    )

    page = html.unescape(client_of(alice).get(request.get_absolute_url()).content.decode())
    again = f"{now + timedelta(seconds=60):%H:%M:%S}"
    assert said in page
    assert detail.format(again=again) in page
    # On the card, and beside the buttons.
    assert page.count("You reported at ") == 2
    shown = api_of(alice).get(f"/api/v1/organizations/acme/mitigation-requests/{request.pk}").json()
    efficacy = shown["mitigations"][0]["efficacy"]
    assert efficacy["attack_status"] == "under-attack"
    assert (efficacy["code"], efficacy["reason"]) == (
        answer.get("code", ""),
        answer.get("reason", ""),
    )
    assert (efficacy["state"] == "put_off") is (efficacy["retry_at"] is not None)


def test_reporting_that_the_attack_stopped_makes_terminating_the_next_step(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])
    reports(mitigations_of(request)[0], Trigger.ATTACK_ENDED, timezone.now())

    page = page_of(client_of(alice), request)

    assert "Northgate reports the attack has stopped. Filtering is still on." in page
    assert '<summary class="btn">Terminate…</summary>' in one_line(page)


def test_an_ended_request_shows_four_numbers_and_can_be_acknowledged(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])
    ended(request, alice)
    browser = client_of(alice)

    page = page_of(browser, request)
    [ended_at] = re.findall(r'name="ended_at"\s+value="([^"]+)"', page)
    browser.post(f"{request.get_absolute_url()}/acknowledge", {"ended_at": ended_at})
    seen = page_of(browser, request)

    assert "Terminated. Northgate confirmed." in page
    for name in (
        "Filtered for",
        "Request to first filter",
        "Total dropped",
        "Highest rate dropped",
    ):
        assert name in page
    assert ">Acknowledge</button>" in page
    assert ">Acknowledge</button>" not in seen
    assert "alice acknowledged that mitigation ended." in seen
    assert f"requests/new?again={request.pk}" in seen


def test_a_viewer_sees_no_buttons_but_who_can_act(
    alice: User, bob: User, dana: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])

    page = page_of(client_of(bob), request)

    assert (
        "You can see this request but not end it: your role is viewer. alice and dana can." in page
    )
    for word in ("Terminate", "Extend", "Still under attack", "requests/new"):
        assert word not in page.replace("Terminated", "")


def test_the_chart_can_be_read_in_packets_and_as_a_table(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])
    browser = client_of(alice)

    bits, packets = page_of(browser, request), page_of(browser, request, "?unit=packet&span=all")

    assert 'role="img"' in bits
    assert "Show as a table" in bits
    assert "It is not the size of the attack" in bits
    assert "No provider has reported traffic yet." in packets


def test_invalid_units_and_spans_show_the_default_chart(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])

    assert "800\u00a0Mbit/s" in page_of(client_of(alice), request, "?unit=%00&span=x&entries=")


def test_user_text_is_escaped(alice: User, ask: Ask, client_of: ClientOf) -> None:
    request = ask()
    MitigationRequest.objects.filter(pk=request.pk).update(reason="<script>alert(1)</script>")

    page = page_of(client_of(alice), request)

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize(("bps", "words"), [(0, "0\u00a0bit/s"), (125, "1\u00a0kbit/s")])
@pytest.mark.parametrize("span", ["15m", "all"])
def test_repeated_equal_reports_are_not_a_gap(
    alice: User, ask: Ask, client_of: ClientOf, bps: int, words: str, span: str
) -> None:
    request = ask()
    [first] = mitigations_of(request)
    begin = timezone.now() - timedelta(minutes=20)
    MitigationRequest.objects.filter(pk=request.pk).update(created_at=begin)
    for second in range(0, 1200, 30):
        reports(first, Trigger.FILTERING, begin + timedelta(seconds=second), bps)

    page = page_of(client_of(alice), request, f"?span={span}")

    assert words in page
    assert "sent no report" not in page
    assert "no report</td>" not in page


@pytest.mark.parametrize("which", ["request", "now"])
def test_an_event_during_rendering_has_a_later_number_than_the_page(
    alice: User, ask: Ask, client_of: ClientOf, which: str
) -> None:
    """Otherwise the page would show the state before it, and would not receive it."""
    request, browser = ask(), client_of(alice)
    before = last_seq(request.organization_id)
    done: list[bool] = []

    def end_it_after_it_was_read(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        found = execute(sql, *rest)
        if not done and 'FROM "mitigations_mitigationrequest"' in sql:
            done.append(True)
            services.terminate(request_id=request.pk, actor=Actor.person(alice))
        return found

    with connection.execute_wrapper(end_it_after_it_was_read):
        answer = browser.get(
            request.get_absolute_url() if which == "request" else "/organizations/acme/"
        )

    assert done
    assert answer.context["frame"].seq == before
