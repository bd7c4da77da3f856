"""A person chooses a time zone: the times on pages, in reports and in mails follow it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from portal.accounts import services
from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.accounts.time_zones import time_zone_of, zone_names
from portal.core import formatting
from portal.organizations import invitations, lost_phones
from portal.organizations.models import Organization, Role, StaffActing
from tests.conftest import ApiOf, ClientOf
from tests.factories import member
from tests.portal.organizations.mails import mails_to
from tests.portal.web.conftest import Ask, text_of

PRAGUE, NEW_YORK = "Europe/Prague", "America/New_York"
URL = "/me/profile"


def lives_in(user: User, zone: str) -> User:
    user.time_zone = zone
    user.save()
    return user


def shown_in(zone: str, write: Callable[[], str]) -> str:
    with time_zone_of(User(time_zone=zone)):
        return write().replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("", "24 October 2026, 22:30:00 UTC"),
        ("UTC", "24 October 2026, 22:30:00 UTC"),
        (PRAGUE, "25 October 2026, 00:30:00 CEST"),
        (NEW_YORK, "24 October 2026, 18:30:00 EDT"),
        ("Asia/Kolkata", "25 October 2026, 04:00:00 IST"),
        ("America/Sao_Paulo", "24 October 2026, 19:30:00 UTC-03"),
        # it has left IANA's list since
        ("Mars/Olympus", "24 October 2026, 22:30:00 UTC"),
    ],
)
def test_a_moment_has_the_day_the_clock_and_the_zone_of_its_reader(zone: str, words: str) -> None:
    at = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)

    assert shown_in(zone, lambda: formatting.full_moment(at)) == words


@pytest.mark.parametrize(
    ("zone", "change", "before", "after"),
    [
        # summer time ends at 03:00 and 02:00 there, and begins at 02:00
        (PRAGUE, "2026-10-25T01:00", "02:59:59 CEST", "02:00:00 CET"),
        (NEW_YORK, "2026-11-01T06:00", "01:59:59 EDT", "01:00:00 EST"),
        (PRAGUE, "2026-03-29T01:00", "01:59:59 CET", "03:00:00 CEST"),
        (NEW_YORK, "2026-03-08T07:00", "01:59:59 EST", "03:00:00 EDT"),
        ("UTC", "2026-10-25T01:00", "00:59:59 UTC", "01:00:00 UTC"),
    ],
)
def test_the_clock_follows_the_change_of_summer_time(
    zone: str, change: str, before: str, after: str
) -> None:
    at = datetime.fromisoformat(change).replace(tzinfo=UTC)
    last = at - timedelta(seconds=1)

    assert shown_in(zone, lambda: formatting.moment(last, at, zone=True)) == before
    assert shown_in(zone, lambda: formatting.moment(at, at, zone=True)) == after


def test_yesterday_begins_at_the_readers_midnight_also_on_a_day_of_25_hours() -> None:
    now = datetime(2026, 10, 25, 22, 30, tzinfo=UTC)  # 23:30 in Prague, 18:30 in New York
    at = datetime(2026, 10, 24, 22, 15, tzinfo=UTC)  # 00:15 in Prague, 18:15 the day before there

    assert shown_in(PRAGUE, lambda: formatting.moment(at, now)) == "00:15:00"
    assert shown_in("UTC", lambda: formatting.moment(at, now)) == "22:15:00 yesterday"
    assert shown_in(NEW_YORK, lambda: formatting.moment(at, now)) == "18:15:00 yesterday"


def test_a_certificate_without_an_end_has_a_day_in_every_zone() -> None:
    end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

    for zone in ("UTC", PRAGUE, NEW_YORK):
        assert shown_in(zone, lambda: formatting.date(end)) == "31 December 9999"


def test_the_list_has_places_and_utc_and_no_older_names() -> None:
    names = zone_names()

    assert names[0] == "UTC"
    assert {PRAGUE, NEW_YORK, "America/Argentina/Ushuaia", "Asia/Kathmandu"} <= set(names)
    assert not {"EST", "Etc/GMT+1", "US/Eastern", "GB", "posixrules", "Factory"} & set(names)


def test_the_choice_is_saved_and_every_page_follows_it(
    dana: User, client_of: ClientOf, ask: Ask
) -> None:
    browser, request = client_of(dana), ask()
    url = request.get_absolute_url()
    assert "Times are UTC" in text_of(browser.get(url).content.decode())

    answer = browser.post(URL, {"display_name": "Dana", "time_zone": PRAGUE}, follow=True)

    assert f'value="{PRAGUE}" selected' in answer.content.decode()
    there = timezone.now().astimezone(ZoneInfo(PRAGUE))
    for path in (url, f"{url}/report", "/me/sessions", "/organizations/acme/"):
        page = browser.get(path).content.decode()
        assert f'data-time-zone="{PRAGUE}"' in page
        assert "UTC" not in text_of(page).replace("UTC, with the time", ""), path
        assert there.tzname() or "" in page
    report = browser.get(f"{url}/report.txt").content.decode()
    assert f"{request.created_at.astimezone(ZoneInfo(PRAGUE)):%H:%M:%S} {there:%Z}" in report
    assert "UTC" not in report


def test_the_api_stays_in_utc(dana: User, client_of: ClientOf, api_of: ApiOf, ask: Ask) -> None:
    lives_in(dana, PRAGUE)
    path = f"/api/v1/organizations/acme/mitigation-requests/{ask().pk}"

    for caller in (client_of(dana), api_of(dana)):
        assert caller.get(path).json()["created_at"].endswith("Z")


def test_people_in_different_zones_do_not_share_rendered_parts(
    dana: User, acme: Organization, client_of: ClientOf, ask: Ask
) -> None:
    url = ask().get_absolute_url()
    headers = {"HX-Request": "true", "HX-Trigger": "refresh"}
    zones = {
        PRAGUE: dana,
        NEW_YORK: member("ned", acme, Role.OPERATOR),
        "": member("una", acme, Role.OPERATOR),
    }
    browsers = {zone: client_of(lives_in(user, zone)) for zone, user in zones.items()}

    parts = {zone: one.get(url, headers=headers).content.decode() for zone, one in browsers.items()}

    for zone, part in parts.items():
        here = f"{timezone.now().astimezone(ZoneInfo(zone or 'UTC')):%H:}"
        others = {
            f">{timezone.now().astimezone(ZoneInfo(other or 'UTC')):%H:}" for other in parts
        } - {f">{here}"}
        assert f">{here}" in part, zone
        assert not [other for other in others if other in part], zone


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "prague", "Etc/GMT+1", "../etc/passwd", "x" * 64, "Europe/\0"]
)
def test_an_unknown_zone_is_refused_at_its_field_and_nothing_is_saved(
    alice: User, client_of: ClientOf, api_of: ApiOf, zone: str
) -> None:
    page = client_of(alice).post(URL, {"display_name": "Al", "time_zone": zone})
    answer = api_of(alice).patch("/api/v1/me", {"display_name": "Al", "time_zone": zone})

    assert page.status_code == answer.status_code == 400
    assert 'id="time_zone-e"' in page.content.decode()
    assert [one["field"] for one in answer.json()["errors"]] == ["time_zone"]
    alice.refresh_from_db()
    assert (alice.display_name, alice.time_zone) == ("", "")


def test_the_api_changes_and_shows_the_zone(alice: User, api_of: ApiOf) -> None:
    program = api_of(alice)

    assert program.patch("/api/v1/me", {"time_zone": NEW_YORK}).status_code == 200
    assert program.get("/api/v1/me").json()["user"]["time_zone"] == NEW_YORK
    assert program.patch("/api/v1/me", {"time_zone": ""}).json()["user"]["time_zone"] == ""


def moments(mail: str) -> str:
    return " ".join(mail.split())


def in_zone(at: datetime, zone: str) -> str:
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%H:%M:%S} {local.tzname()}"


def test_a_mail_has_the_zone_of_who_reads_it_not_of_who_causes_it(
    mo: User, alice: User, acme: Organization, client_of: ClientOf
) -> None:
    lives_in(mo, "Asia/Kolkata")
    for name, zone in (("pat", PRAGUE), ("ned", NEW_YORK), ("una", "")):
        lives_in(member(name, acme, Role.ADMIN, email=f"{name}@example.com"), zone)

    client_of(mo).post(
        "/portal/organizations/acme/act", {"reason": "Their admin called about a form"}
    )

    row = StaffActing.objects.get(user=mo)
    for name, zone in (("pat", PRAGUE), ("ned", NEW_YORK), ("una", "UTC")):
        [mail] = mails_to(f"{name}@example.com")
        assert in_zone(row.ends_at, zone) in moments(mail)


def test_mails_with_links_have_the_zone_of_the_account(
    mailed: User, bob: User, dana: User, acme: Organization, client_of: ClientOf
) -> None:
    lives_in(mailed, NEW_YORK)
    lives_in(bob, PRAGUE)
    bob.email = "bob@example.com"
    bob.save()
    member("second", acme, Role.ADMIN)

    client_of(mailed).post("/me/email", {"email": "new@example.com"})
    services.ask_for_password(typed=mailed.email, address="192.0.2.1", origin="https://p.example")
    services.mail_links()
    lost_phones.start(
        organization=acme,
        user_id=bob.pk,
        actor=Actor.person(mailed),
        reason="called back at a known number",
        origin="https://p.example",
    )
    with time_zone_of(mailed):
        invitations.invite(
            organization=acme,
            actor=Actor.person(mailed),
            email="erin@example.com",
            role=Role.VIEWER,
            origin="https://p.example",
        )

    [confirm] = mails_to("new@example.com")
    assert f"{timezone.now().astimezone(ZoneInfo(NEW_YORK)):%Z}." in confirm
    [link] = [one for one in mails_to(mailed.email) if "new-password" in one]
    assert f"{timezone.now().astimezone(ZoneInfo(NEW_YORK)):%Z}." in link
    [reset] = mails_to("bob@example.com")
    assert f"{timezone.now().astimezone(ZoneInfo(PRAGUE)):%Z}." in reset
    [invitation] = mails_to("erin@example.com")
    assert " UTC." in invitation


def test_no_page_names_another_zone() -> None:
    templates = Path(__file__).resolve().parents[4] / "templates"
    own = [one for one in templates.rglob("*.*") if re.search(r"\bUTC\b", one.read_text())]

    assert own == []
