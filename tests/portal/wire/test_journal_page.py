from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.accounts.models import User
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.web.journal import page as pages
from portal.wire.models import Direction, Topic
from portal.wire.services import Seen
from tests.conftest import ClientOf
from tests.factories import PRIVATE_KEY
from tests.portal.web.conftest import text_of
from tests.portal.web.test_markup import Page
from tests.portal.wire.conftest import created, exchange, heartbeat, keep, put, scope


@pytest.fixture
def browser(dana: User, client_of: ClientOf) -> Client:
    return client_of(dana)


def url(request: MitigationRequest) -> str:
    return f"{request.get_absolute_url()}/wire"


def page(browser: Client, request: MitigationRequest, **choice: str) -> str:
    answer = browser.get(url(request), choice)
    assert answer.status_code == 200
    return text_of(answer.content.decode()).replace("\u00a0", " ")


def test_the_journal_shows_the_exchanged_messages(
    browser: Client, asked: MitigationRequest, mitigation: Mitigation
) -> None:
    exchange(mitigation)

    text = page(browser, asked)

    newest, answer, first = (
        text.index("Northgate reports: mitigating, 3.1 Gbit/s dropped"),
        text.index("Northgate accepts, for 3,600 s"),
        text.index("Asks Northgate to start mitigation, for 3,600 s"),
    )
    assert newest < answer < first
    assert "58 03 00 01 20 61 20 62" in text
    assert '"target-prefix"' in text.replace("&quot;", '"')
    assert "Saved for 90 days" in text


def test_the_journal_names_the_unreadable_parts_of_an_answer(
    browser: Client, asked: MitigationRequest, mitigation: Mitigation
) -> None:
    odd = (
        "mitigation-scope.scope[0].lifetime: must be an unsigned integer",
        "Max-Age is <too> long",
    )
    keep(mitigation.subscription_id, created(mitigation.mid, not_read=odd))

    text = " ".join(page(browser, asked).split())

    assert "Northgate accepts, for 3,600 s, part of it could not be read" in text
    assert "Not read" in text
    assert "mitigation-scope.scope[0].lifetime: must be an unsigned integer" in text
    assert "Max-Age is &lt;too&gt; long" in browser.get(url(asked)).content.decode()


def test_each_line_announces_its_direction_to_screen_readers(
    browser: Client, asked: MitigationRequest, mitigation: Mitigation
) -> None:
    exchange(mitigation)

    shown = Page(browser.get(url(asked)).content.decode())

    spoken = [one["aria-label"] for one in shown.all("svg") if one.get("role") == "img"]
    assert spoken == ["Received", "Received", "Sent"]
    assert [one.get("open") for one in shown.all("details") if "data-item" in one] == [
        "",
        None,
        None,
    ]


def report(mid: int, at: datetime, status: str, bps: int | None = None, **changed: Any) -> Seen:
    body = scope(status=status, **({"bps_dropped": str(bps)} if bps else {}))
    return created(mid, at, **{"code": "2.05", "method": "GET", "body": body, **changed})


def test_consecutive_reports_of_one_status_are_one_line(
    browser: Client, asked: MitigationRequest, mitigation: Mitigation
) -> None:
    start = timezone.now() - timedelta(minutes=5)
    mitigating = "attack-successfully-mitigated"
    said = [put(mitigation.mid, start), created(mitigation.mid, start + timedelta(seconds=1))]
    said.append(
        report(mitigation.mid, start + timedelta(seconds=2), "attack-mitigation-in-progress")
    )
    for n in range(40):
        at = start + timedelta(seconds=3 + n)
        said.append(report(mitigation.mid, at, mitigating, 100_000_000 + n * 1_000_000))
        if n % 10 == 5:
            poll = {"code": "0.01", "method": "GET", "body": "", "options": ""}
            said.append(put(mitigation.mid, at + timedelta(milliseconds=500), **poll))
    said.append(report(mitigation.mid, start + timedelta(seconds=50), "attack-stopped"))
    keep(mitigation.subscription_id, *said)

    text = page(browser, asked)
    shown = Page(browser.get(url(asked)).content.decode())

    summary = "Northgate reports the same 40 times: mitigating, 800 Mbit/s to 1.11 Gbit/s dropped"
    assert summary in text
    assert len([one for one in shown.all("details") if one.get("class") == "run"]) == 1
    # Everything is still there, inside.
    assert text.count("Northgate reports: mitigating") == 40
    assert (
        text.index("the attack has stopped")
        < text.index(summary)
        < text.index("Northgate reports: setting up")
        < text.index("Asks Northgate to start mitigation")
    )


def test_a_message_is_found_by_its_code_and_content(
    browser: Client, asked: MitigationRequest, mitigation: Mitigation
) -> None:
    exchange(mitigation)

    assert "accepts" in page(browser, asked, find="2.01")
    assert "Asks Northgate" not in page(browser, asked, find="2.01")
    assert "Northgate reports: mitigating" in page(browser, asked, find="388110272")
    assert "Asks Northgate to start" in page(browser, asked, find=f"mid={mitigation.mid}")
    assert "Nothing matches." in page(browser, asked, find="no such thing\0")


def test_copies_of_one_request_are_one_line(
    browser: Client, asked: MitigationRequest, mitigation: Mitigation
) -> None:
    run, now = uuid4(), timezone.now()
    copies = [
        put(mitigation.mid, now + timedelta(seconds=n), run=run, copy=n + 1, octets=b"123")
        for n in range(6)
    ]
    keep(mitigation.subscription_id, *copies)

    text = page(browser, asked)

    assert text.count("Asks Northgate to start mitigation") == 1
    last = copies[-1].at
    assert f"first of 6 copies, the last at {last:%H:%M:%S}" in text


def test_heartbeats_and_the_session_are_shown_only_on_demand(
    browser: Client, asked: MitigationRequest, mitigation: Mitigation
) -> None:
    config = Seen(
        at=timezone.now(),
        direction=Direction.SENT,
        topic="session",  # type: ignore[arg-type]  # as a plain word
        code="0.01",
        method="GET",
        path="/.well-known/dots/config",
    )
    keep(mitigation.subscription_id, put(mitigation.mid), config, heartbeat())

    own, session, everything = (
        page(browser, asked),
        page(browser, asked, messages="session"),
        page(browser, asked, messages="all"),
    )

    assert "Heartbeat to" not in own
    assert "settings of the session" not in own
    assert "settings of the session" in session
    assert "Heartbeat to" not in session
    assert "Heartbeat to" in everything


def test_a_poll_of_the_whole_session_appears_under_the_request(
    browser: Client, asked: MitigationRequest, mitigation: Mitigation
) -> None:
    poll = Seen(
        at=timezone.now(),
        direction=Direction.SENT,
        topic=Topic.MITIGATION,
        code="0.01",
        method="GET",
        path="/.well-known/dots/mitigate/cuid=abc",
    )
    long_ago = replace(poll, at=asked.created_at - timedelta(minutes=5))
    keep(mitigation.subscription_id, long_ago, poll)

    text = page(browser, asked)

    assert text.count("Asks Northgate what it holds for this organization") == 1


def test_earlier_session_messages_do_not_appear_under_the_request(
    browser: Client, asked: MitigationRequest, mitigation: Mitigation
) -> None:
    keep(mitigation.subscription_id, heartbeat(asked.created_at - timedelta(minutes=5)))

    assert "Nothing has been sent or received about this request yet" in page(
        browser, asked, messages="all"
    )


def test_a_gap_is_always_shown(
    browser: Client, asked: MitigationRequest, mitigation: Mitigation
) -> None:
    keep(
        mitigation.subscription_id, Seen(at=timezone.now(), direction=Direction.NOT_KEPT, count=17)
    )

    assert "17 messages before this could not be saved" in page(browser, asked)


def test_a_page_has_fifty_lines_and_the_next_older_ones(
    browser: Client, asked: MitigationRequest, mitigation: Mitigation
) -> None:
    at = timezone.now()
    many = [
        created(mitigation.mid, at, code="2.05", method="GET", body=scope(pps_dropped=str(number)))
        for number in range(pages.PAGE_ROWS + 3)
    ]
    keep(mitigation.subscription_id, *many)

    first = browser.get(url(asked)).content.decode()
    [older] = [one["href"] for one in Page(first).all("a") if "before=" in one.get("href", "")]
    second = browser.get(url(asked) + older.replace("&amp;", "&")).content.decode()

    assert first.count("<details") - second.count("<details") == pages.PAGE_ROWS - 3
    assert "Newest" in second
    assert "before=" not in second.partition("Newest")[0].rpartition("<a")[2]


@pytest.mark.parametrize(
    "choice",
    [
        {"before": "x"},
        {"before": "9" * 17 + "-1"},
        {"before": "²-1"},
        {"messages": "nonsense"},
        {"provider": "nonsense"},
    ],
)
def test_invalid_query_parameters_are_ignored(
    browser: Client, asked: MitigationRequest, mitigation: Mitigation, choice: dict[str, str]
) -> None:
    exchange(mitigation)

    assert browser.get(url(asked), choice).status_code == 200


def test_the_number_of_queries_does_not_grow(
    browser: Client, asked: MitigationRequest, mitigation: Mitigation
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            browser.get(url(asked))
        return len(captured)

    exchange(mitigation)
    before = queries()
    for _ in range(4):
        exchange(mitigation)

    assert queries() == before <= 14


def test_no_key_is_in_the_journal(
    browser: Client, asked: MitigationRequest, mitigation: Mitigation
) -> None:
    exchange(mitigation)

    text = page(browser, asked, messages="all")

    assert "PRIVATE KEY" not in text
    assert PRIVATE_KEY.hex() not in text


def test_a_viewer_sees_who_has_access_and_no_link(
    bob: User, client_of: ClientOf, browser: Client, asked: MitigationRequest
) -> None:
    viewer = client_of(bob)

    refused = viewer.get(url(asked))

    assert refused.status_code == 403
    assert url(asked) not in viewer.get(asked.get_absolute_url()).content.decode()
    assert url(asked) in browser.get(asked.get_absolute_url()).content.decode()
