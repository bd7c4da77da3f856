from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.models import User
from portal.mitigations.models import MitigationRequest, Strategy
from portal.mitigations.states import Trigger
from portal.web.requests.list_page import PAGE_ROWS
from tests.conftest import ClientOf
from tests.portal.ends import posted_end
from tests.portal.web.conftest import Ask, ended, filtering, mitigations_of, one_line, reports

HISTORY = "/organizations/acme/requests"


def test_the_history_shows_every_request_with_status_and_amount(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])

    page = client_of(alice).get(HISTORY).content.decode()

    assert request.get_absolute_url() in page
    assert "Mitigating" in page
    assert "6\u00a0GB" in page


FINDS = [("shop", 1), ("alice", 1), ("udp", 1), ("203.0.113.0", 1), ("nothing like it", 0)]


@pytest.mark.parametrize(("find", "count"), FINDS)
def test_a_request_is_found_by_name_person_reason_or_target(
    alice: User, ask: Ask, client_of: ClientOf, find: str, count: int
) -> None:
    request = ask()

    page = client_of(alice).get(HISTORY, {"find": find}).content.decode()

    assert page.count(request.get_absolute_url()) == count
    if not count:
        assert "Nothing matches." in page


def test_a_request_is_found_by_its_reference(alice: User, ask: Ask, client_of: ClientOf) -> None:
    one, other = ask(), ask()

    page = client_of(alice).get(HISTORY, {"find": one.number}).content.decode()

    assert one.get_absolute_url() in page
    assert other.get_absolute_url() not in page


def test_status_and_time_narrow_the_list(alice: User, ask: Ask, client_of: ClientOf) -> None:
    live, over = ask(), ask()
    filtering(mitigations_of(over)[0])
    ended(over, alice)
    MitigationRequest.objects.filter(pk=over.pk).update(
        created_at=timezone.now() - timedelta(days=9)
    )
    browser = client_of(alice)

    by_status = browser.get(HISTORY, {"status": "terminated"}).content.decode()
    by_time = browser.get(HISTORY, {"when": "7"}).content.decode()

    assert over.get_absolute_url() in by_status
    assert live.get_absolute_url() not in by_status
    assert over.get_absolute_url() not in by_time


def test_a_filter_offers_existing_statuses_and_finds_requests_that_need_a_person(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    fine, exceeded, failing, expired, done = (ask(Strategy.PARALLEL) for _ in range(5))
    now = timezone.now()
    for request in (fine, exceeded, expired, done):
        for mitigation in mitigations_of(request):
            filtering(mitigation)
    reports(mitigations_of(exceeded)[0], Trigger.CAPACITY_EXCEEDED, now)
    for request, status in ((fine, "mitigating"), (failing, "failing"), (expired, "expired")):
        MitigationRequest.objects.filter(pk=request.pk).update(status=status)
    MitigationRequest.objects.filter(pk=expired.pk).update(ended_at=now, ended_by="lifetime")
    ended(done, alice)
    browser = client_of(alice)

    def found(**choice: str) -> set[MitigationRequest]:
        page = browser.get(HISTORY, choice).content.decode()
        every = (fine, exceeded, failing, expired, done)
        return {one for one in every if one.get_absolute_url() in page}

    page = browser.get(HISTORY).content.decode()
    assert "Awaiting approval" not in page
    assert "Declined" not in page
    assert found(status="over-capacity") == {exceeded}
    assert found(status="needs-me") == {exceeded, failing, expired}
    assert found(status="awaiting_approval") == {fine, exceeded, failing, expired, done}


def test_the_chosen_order_is_kept(alice: User, ask: Ask, client_of: ClientOf) -> None:
    one, two, three = ask(), ask(), ask()
    for request, name in ((one, "b"), (two, "c"), (three, "a")):
        MitigationRequest.objects.filter(pk=request.pk).update(name=name)
    browser = client_of(alice)

    def order(choice: str) -> list[str]:
        page = browser.get(HISTORY, {"order": choice}).content.decode()
        return re.findall(r"requests/([0-9a-f-]{36})\"", page)

    def ids(*requests: MitigationRequest) -> list[str]:
        return [str(request.pk) for request in requests]

    assert order("") == order("odd") == ids(three, two, one)
    assert order("oldest") == ids(one, two, three)
    assert order("name") == ids(three, one, two)
    assert len(order("person")) == 3


def test_all_listed_ends_are_acknowledged_on_the_page(
    alice: User, bob: User, ask: Ask, client_of: ClientOf
) -> None:
    _live, terminated, *over = (ask() for _ in range(4))
    for request in (terminated, *over):
        filtering(mitigations_of(request)[0])
        ended(request, alice)
    # A person terminated the first of them; the others ended on their own.
    MitigationRequest.objects.filter(pk__in=[one.pk for one in over]).update(ended_by="provider")
    browser = client_of(alice)

    page = browser.get(HISTORY, {"order": "oldest"}).content.decode()
    seen_by_bob = client_of(bob).get(HISTORY).content.decode()
    ids = re.findall(r'name="ends"\s+value="([^"]+)"', page)
    answer = browser.post(
        f"{HISTORY}/acknowledge", {"ends": ids, "back": "requests", "shown": "order=oldest"}
    )

    assert "Acknowledge all 2 that ended" in one_line(page)
    assert page.count("Not acknowledged") == 2
    assert "Acknowledge all" not in seen_by_bob
    assert set(ids) == {posted_end(one) for one in over}
    assert answer["Location"] == f"{HISTORY}?order=oldest"
    assert MitigationRequest.objects.filter(acknowledged_by=alice).count() == 2
    assert "Not acknowledged" not in browser.get(HISTORY).content.decode()


def test_a_page_has_fifty_rows_and_keeps_the_filter(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    fields = {
        field.attname: getattr(request, field.attname)
        for field in MitigationRequest._meta.concrete_fields
        if field.name != "id"
    }
    MitigationRequest.objects.bulk_create(MitigationRequest(**fields) for _ in range(PAGE_ROWS))
    browser = client_of(alice)

    first = browser.get(HISTORY, {"find": "shop"}).content.decode()
    second = browser.get(HISTORY, {"find": "shop", "page": "2"}).content.decode()

    assert first.count("<tr data-item>") == PAGE_ROWS
    assert second.count("<tr data-item>") == 1
    assert "?find=shop&amp;page=2" in first
    assert "?find=shop&amp;page=1" in second


@pytest.mark.parametrize(
    "query", ["page=0", "page=x", "page=99999999", "status=x", "when=x", "find=%00", "find=%F0%9F"]
)
def test_invalid_filters_are_ignored(
    alice: User, ask: Ask, client_of: ClientOf, query: str
) -> None:
    ask()

    assert client_of(alice).get(f"{HISTORY}?{query}").status_code == 200


@pytest.mark.parametrize(
    ("path", "true", "untrue"),
    [
        ("requests?page=9", "There are no more requests.", "There are no requests yet."),
        ("requests?page=9&find=shop", "There are no more requests.", "Nothing matches."),
        ("readiness/drills?page=9", "There are no older drills.", "No drill has been run yet."),
    ],
)
def test_a_page_after_the_last_one_does_not_say_that_there_is_nothing(
    browser: Client, path: str, true: str, untrue: str
) -> None:
    page = browser.get(f"/organizations/acme/{path}").content.decode()

    assert true in page
    assert untrue not in page
