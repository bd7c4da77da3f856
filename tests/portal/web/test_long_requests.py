"""A page reads a bounded number of rows, however long its request lasts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models.sql import compiler
from django.utils import timezone

from portal.accounts.models import User
from portal.events import queries
from portal.events.data import EventData
from portal.events.models import Event, EventCounter, EventType
from portal.events.queries import status_moments
from portal.mitigations.models import Mitigation, MitigationRequest, Strategy
from portal.web.requests import timeline
from tests.conftest import ClientOf
from tests.portal.web.conftest import Ask, filtering, mitigations_of

STATUSES = ("mitigating", "exceeded")


@pytest.fixture
def counted_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of each portion of rows that the database returned."""
    sizes: list[int] = []
    rows_of = compiler.cursor_iter

    def counted(*arguments: Any) -> Iterator[Any]:
        for rows in rows_of(*arguments):
            sizes.append(len(rows))
            yield rows

    monkeypatch.setattr(compiler, "cursor_iter", counted)
    return sizes


def with_events(request: MitigationRequest, count: int, *, every_s: float = 2.0) -> None:
    """Give the request `count` events about its first mitigation: reports and changes of status in
    turn, the newest now.
    """
    one = mitigations_of(request)[0]
    now = timezone.now()
    counter = EventCounter.objects.get(pk=request.organization_id)
    before = now - timedelta(seconds=every_s * count + 30)
    Event.objects.filter(request_id=request.pk).update(at=before)
    Event.objects.bulk_create(
        _event(one, counter.last_seq + 1 + n, now - timedelta(seconds=every_s * (count - n - 1)))
        for n in range(count)
    )
    counter.last_seq += count
    counter.save()
    MitigationRequest.objects.filter(pk=request.pk).update(
        created_at=now - timedelta(seconds=every_s * count + 60)
    )


def _event(one: Mitigation, seq: int, at: datetime) -> Event:
    is_report = seq % 2 == 0
    status = STATUSES[seq // 2 % 2]
    data: Any = (
        {"bps_dropped": 1000 + seq, "bytes_dropped": seq}
        if is_report
        else {"status": status, "previous": STATUSES[1 - seq // 2 % 2]}
    )
    return Event(
        organization_id=one.request.organization_id,
        seq=seq,
        at=at,
        type=EventType.MITIGATION_COUNTERS if is_report else EventType.MITIGATION_STATUS,
        request_id=one.request_id,
        mitigation_id=one.pk,
        data=data,
    )


PAGES = (
    "",
    "?span=all",
    "?entries=all",
    "?parts=say,lanes,side,look,time,chart",
    "/report",
    "/report.txt",
    "/terminate",
)
PLAIN_ROWS = 60
"""What a page of a short request reads."""


def test_the_rows_that_a_page_reads_are_bounded(
    alice: User, ask: Ask, client_of: ClientOf, counted_rows: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(timeline, "MORE_EVENTS", 50)
    monkeypatch.setattr(queries, "MAX_SAMPLES", 200)
    request = ask()
    filtering(mitigations_of(request)[0])
    with_events(request, 800, every_s=10)
    browser = client_of(alice)
    for page in PAGES:
        has_all_reports = "all" in page or "report" in page
        has_more_events = "entries" in page or "report" in page
        counted_rows.clear()

        answer = browser.get(
            request.get_absolute_url() + page,
            headers={"HX-Request": "true"} if "parts" in page else {},
        )

        assert answer.status_code == 200
        # The chart of the last 15 minutes has 45 of the reports.
        reports = 200 if has_all_reports else 46 + queries.MAX_REPORTS_BEFORE
        events = 50 if has_more_events else timeline.SHOWN_EVENTS
        assert sum(counted_rows) <= reports + events + PLAIN_ROWS, page


def test_the_pages_of_a_timeline_show_each_event_once(
    alice: User, ask: Ask, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "SHOWN_EVENTS", 7)
    monkeypatch.setattr(timeline, "MORE_EVENTS", 20)
    request = ask()
    filtering(mitigations_of(request)[0])
    with_events(request, 101)
    Mitigation.objects.filter(pk=mitigations_of(request)[0].pk).update(
        overdue_at=timezone.now() - timedelta(seconds=90)
    )
    browser, url = client_of(alice), request.get_absolute_url()

    query, sizes, shown = "?entries=all", [], []
    first = browser.get(url).content.decode()
    assert len(_entries(first)) <= 7 + 2
    assert 'href="?entries=all#p-time"' in first
    while query:
        page = browser.get(url + query).content.decode()
        # The script that updates the page requests the same part.
        assert f"{query}&amp;parts=say" in page
        assert "Only the newest entries" in page
        entries = _entries(page)
        sizes.append(len(entries))
        shown += entries
        found = re.search(r'href="(\?before=\d+)#p-time"', page)
        query = found[1] if found else ""

    assert len(sizes) >= 3
    assert max(sizes) <= 20 + 2
    monkeypatch.setattr(timeline, "MORE_EVENTS", 1000)
    whole = _entries(browser.get(f"{url}?entries=all").content.decode())
    assert shown == whole
    assert len(whole) > 50
    for once in ("has not answered", "of dropped traffic", "alice requested mitigation"):
        assert len([line for line in whole if once in line]) == 1


def _entries(page: str) -> list[str]:
    return re.findall(r'<div class="x">(.*?)</div>', page, re.DOTALL)


@pytest.mark.parametrize("before", ["0", "x", "-1", "9" * 18, "9" * 30, ""])
def test_an_unknown_place_in_the_timeline_is_its_start(
    alice: User, ask: Ask, client_of: ClientOf, before: str
) -> None:
    request = ask()

    page = client_of(alice).get(request.get_absolute_url(), {"before": before}).content.decode()

    assert "alice requested mitigation" in page
    assert "Only the newest entries" not in page


def test_the_database_finds_when_each_mitigation_got_its_status(ask: Ask) -> None:
    request = ask(Strategy.PARALLEL)
    first, second = mitigations_of(request)
    now = timezone.now()
    counter = EventCounter.objects.get(pk=request.organization_id)
    steps: list[tuple[Mitigation, EventData]] = [
        (first, {"status": "mitigating", "previous": "in_progress"}),
        (second, {"status": "mitigating"}),
        (first, {"status": "exceeded", "previous": "mitigating"}),
        (first, {"status": "exceeded", "previous": "exceeded"}),
        (second, {"status": "mitigating", "previous": "mitigating", "retry_at": "later"}),
    ]
    for number, (mitigation, data) in enumerate(steps, 1):
        Event.objects.create(
            organization_id=request.organization_id,
            seq=counter.last_seq + number,
            at=now + timedelta(seconds=number),
            type=EventType.MITIGATION_STATUS,
            request_id=request.pk,
            mitigation_id=mitigation.pk,
            data=data,
        )

    assert status_moments([request.pk]) == {
        first.pk: now + timedelta(seconds=3),
        second.pk: now + timedelta(seconds=2),
    }
