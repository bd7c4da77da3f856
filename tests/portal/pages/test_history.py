from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.accounts.models import User
from portal.mitigations.models import MitigationRequest
from portal.mitigations.pages.history import PAGE_ROWS
from tests.conftest import ClientOf
from tests.portal.pages.conftest import Ask, ended, filtering, legs

HISTORY = "/organizations/acme/requests"


def test_the_history_shows_every_request_with_status_and_amount(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    filtering(legs(request)[0])

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


def test_a_request_is_found_by_the_number_read_out_on_the_phone(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    one, other = ask(), ask()

    page = client_of(alice).get(HISTORY, {"find": one.number}).content.decode()

    assert one.get_absolute_url() in page
    assert other.get_absolute_url() not in page


def test_status_and_time_narrow_the_list(alice: User, ask: Ask, client_of: ClientOf) -> None:
    live, over = ask(), ask()
    filtering(legs(over)[0])
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


def test_fifty_rows_a_page_with_the_filter_kept(alice: User, ask: Ask, client_of: ClientOf) -> None:
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
def test_odd_filters_are_no_failure(alice: User, ask: Ask, client_of: ClientOf, query: str) -> None:
    ask()

    assert client_of(alice).get(f"{HISTORY}?{query}").status_code == 200
