from __future__ import annotations

import pytest
from django.utils import timezone

from portal.accounts.models import User
from portal.api import events
from portal.events.log import append_event
from portal.events.models import EventType
from portal.organizations.models import Organization
from tests.conftest import ApiOf

URL = "/api/v1/organizations/acme/events"


def log(organization: Organization, count: int) -> None:
    for _ in range(count):
        append_event(organization_id=organization.pk, type=EventType.SESSION_UP, at=timezone.now())


def test_events_come_oldest_first_after_the_given_number(
    bob: User, acme: Organization, api_of: ApiOf
) -> None:
    log(acme, 3)

    body = api_of(bob).get(f"{URL}?after=1").json()

    assert [event["seq"] for event in body["results"]] == [2, 3]
    assert set(body["results"][0]) == {"seq", "at", "type", "request", "mitigation", "data"}
    assert body["results"][0]["at"].endswith("Z")
    assert (body["next"], body["previous"]) == (None, None)


def test_the_next_link_continues_without_a_gap(
    bob: User, acme: Organization, api_of: ApiOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "EVENTS_PER_PAGE", 2)
    log(acme, 5)
    api, seen, url = api_of(bob), [], URL

    while url:
        page = api.get(url).json()
        seen += [event["seq"] for event in page["results"]]
        url = page["next"]

    assert seen == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "", "9" * 30, "%00", "٣"])
def test_invalid_numbers_are_refused(bob: User, api_of: ApiOf, after: str) -> None:
    answer = api_of(bob).get(f"{URL}?after={after}")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "after"


def test_another_tenants_events_are_not_shown(
    charlie: User, acme: Organization, globex: Organization, api_of: ApiOf
) -> None:
    log(acme, 1)

    assert api_of(charlie).get(URL).status_code == 404
    assert api_of(charlie).get("/api/v1/organizations/globex/events").json()["results"] == []
