"""What a person gets, chosen on the page, by the API and by the link in a mail."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from django.test import Client

from portal.accounts.models import User
from portal.audit.models import AuditEntry
from portal.audit.verbs import Verb
from portal.core.logs import NoSecretPaths
from portal.notifications.kinds import ALWAYS_MAILED, AT_ONCE, DEFAULTS, DIGEST, NoticeKind
from portal.notifications.models import NoticeChoice, QuietHours
from portal.notifications.receivers import member
from portal.notifications.services.deliver import deliver
from portal.notifications.unsubscribing import PATH, link_to_stop, read_link
from portal.organizations.models import Membership, Organization, Role
from tests.conftest import ApiOf, ClientOf
from tests.portal.notifications.conftest import Inbox, collected, with_address

PAGE = "/me/notices?organization=acme"
API = "/api/v1/me/notices/acme"
DRILL = {"kind": "drill.failed", "channel": "email", "wanted": False}


def of(user: User) -> Membership:
    return Membership.objects.get(user=user)


def ticked(browser: Client) -> list[str]:
    html = browser.get(PAGE).content.decode()
    return re.findall(r'name="wanted"\s+value="([^"]+)"\s+checked', html)


@pytest.mark.parametrize("role", Role)
def test_the_page_shows_the_defaults_of_the_role(
    acme: Organization, alice: User, client_of: ClientOf, role: Role
) -> None:
    Membership.objects.filter(user=alice).update(role=role)

    shown = {one.split()[0] for one in ticked(client_of(alice))}

    always = {kind for kind, least in ALWAYS_MAILED.items() if role.covers(least)}
    assert shown == DEFAULTS[role] - always


def test_the_page_saves_choices_and_quiet_hours(
    acme: Organization, alice: User, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    wanted = [one for one in ticked(browser) if not one.startswith("drill")]
    form = {"wanted": [*wanted, "request.sent email"]}
    hours = {"quiet_begins": "22:00", "quiet_ends": "07:00"}

    answer = browser.post(PAGE, form | hours, follow=True)

    assert "Your notices are saved." in answer.content.decode()
    own = member(of(alice))
    assert own.choices == {("drill.failed", "email"): False, ("request.sent", "email"): True}
    assert own.quiet is not None
    assert set(ticked(browser)) == {*wanted, "request.sent email"}
    entries = AuditEntry.objects.filter(verb=Verb.NOTICES_CHOSEN)
    assert entries.count() == 2
    assert {one.organization_id for one in entries} == {acme.pk}


def test_saving_the_same_again_changes_and_records_nothing(
    acme: Organization, alice: User, client_of: ClientOf
) -> None:
    browser = client_of(alice)

    browser.post(PAGE, {"wanted": ticked(browser), "quiet_begins": "", "quiet_ends": ""})

    assert not NoticeChoice.objects.exists()
    assert not AuditEntry.objects.filter(verb=Verb.NOTICES_CHOSEN).exists()


def test_a_choice_that_is_the_default_again_leaves_no_row(
    acme: Organization, alice: User, api_of: ApiOf
) -> None:
    api = api_of(alice)

    for wanted in (False, True):
        api.patch(API, {"choices": [DRILL | {"wanted": wanted}]}, format="json")

    assert not NoticeChoice.objects.exists()


@pytest.mark.parametrize(
    ("begins", "ends", "says"),
    [
        ("late", "07:00", "“late” is not a time"),
        ("22:00", "", "Write both times"),
        ("22:00", "22:00", "begin and end at different times"),
        ("25:00", "07:00", "“25:00” is not a time"),
    ],
)
def test_the_page_keeps_what_it_cannot_read(
    acme: Organization, alice: User, client_of: ClientOf, begins: str, ends: str, says: str
) -> None:
    form = {"wanted": ["request.sent email"], "quiet_begins": begins, "quiet_ends": ends}

    answer = client_of(alice).post(PAGE, form)

    html = answer.content.decode()
    assert answer.status_code == 400
    assert says in html
    assert f'value="{begins}"' in html
    assert re.search(r'value="request.sent email"\s+checked', html)
    assert not QuietHours.objects.exists()
    assert not NoticeChoice.objects.exists()


def test_the_page_of_another_organization_is_not_there(
    acme: Organization, globex: Organization, charlie: User, client_of: ClientOf
) -> None:
    browser = client_of(charlie)

    assert browser.get(PAGE).status_code == 404
    assert browser.post(PAGE, {"wanted": []}).status_code == 404
    assert "Globex" in browser.get("/me/notices").content.decode()


def test_a_person_of_two_organizations_chooses_for_each(
    acme: Organization, globex: Organization, alice: User, client_of: ClientOf
) -> None:
    Membership.objects.create(organization=globex, user=alice, role=Role.ADMIN)
    browser = client_of(alice)

    browser.post(PAGE, {"wanted": [], "quiet_begins": "", "quiet_ends": ""})

    assert ticked(browser) == []
    html = browser.get("/me/notices?organization=globex").content.decode()
    assert "Notices about Globex" in html
    assert "checked" in html


def test_the_api_changes_what_is_given(acme: Organization, alice: User, api_of: ApiOf) -> None:
    api = api_of(alice)

    api.patch(API, {"quiet_hours": {"begins": "22:00", "ends": "07:00"}}, format="json")
    answer = api.patch(API, {"choices": [DRILL]}, format="json")

    shown = answer.json()
    assert answer.status_code == 200
    assert shown["quiet_hours"] == {"begins": "22:00", "ends": "07:00"}
    [drill] = [one for one in shown["choices"] if one["kind"] == "drill.failed"]
    assert (drill["wanted"], drill["is_default"], drill["always"]) == (False, False, False)
    assert api.get(API).json() == shown
    assert api.patch(API, {"quiet_hours": None}, format="json").json()["quiet_hours"] is None


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"choices": [DRILL | {"kind": "party"}]}, "choices.0.kind", "not-a-choice"),
        ({"choices": [DRILL | {"channel": "pigeon"}]}, "choices.0.channel", "not-a-choice"),
        ({"choices": [DRILL | {"wanted": "maybe"}]}, "choices.0.wanted", None),
        (
            {"choices": [DRILL | {"kind": "approval.wanted"}]},
            "choices.0.channel",
            "always-mailed",
        ),
        ({"choices": [DRILL] * 201}, "choices", "too-many"),
        ({"quiet_hours": {"begins": "late", "ends": "7:0"}}, "quiet_hours.begins", "not-a-time"),
        ({"quiet_hours": {"begins": "22:00"}}, "quiet_hours.ends", None),
        ({"quiet_hours": {"begins": "22:00", "ends": "22:00"}}, "quiet_hours.ends", "no-length"),
        ({"quiet": True}, "quiet", None),
    ],
)
def test_the_api_names_every_wrong_field(
    acme: Organization,
    alice: User,
    api_of: ApiOf,
    body: dict[str, Any],
    field: str,
    code: str | None,
) -> None:
    answer = api_of(alice).patch(API, body, format="json")

    assert answer.status_code == 400
    errors = {one["field"]: one["code"] for one in answer.json()["errors"]}
    assert field in errors
    assert code is None or errors[field] == code
    assert not NoticeChoice.objects.exists()
    assert not QuietHours.objects.exists()


def test_a_role_that_may_not_approve_cannot_choose_to_be_asked(
    acme: Organization, dana: User, api_of: ApiOf
) -> None:
    api = api_of(dana)
    wanted = DRILL | {"kind": "approval.wanted", "wanted": True}

    answer = api.patch(API, {"choices": [wanted]}, format="json")

    assert answer.status_code == 400
    assert "approval.wanted" not in {one["kind"] for one in api.get(API).json()["choices"]}


def stop_link(inbox: Inbox) -> str:
    link: str = inbox.mails[0]["List-Unsubscribe"].strip(" <>")
    return link.removeprefix("https://portal.example")


def test_one_click_without_signing_in_stops_the_kind(
    acme: Organization, alice: User, inbox: Inbox
) -> None:
    with_address(alice)
    collected(acme)
    deliver()
    program = Client(enforce_csrf_checks=True)

    answer = program.post(stop_link(inbox), {"List-Unsubscribe": "One-Click"})
    collected(acme)
    deliver()

    assert answer.status_code == 200
    assert len(inbox.mails) == 1
    assert member(of(alice)).choices == {("drill.failed", "email"): False}


def test_opening_the_link_only_asks(acme: Organization, alice: User, inbox: Inbox) -> None:
    """Mail servers open links to look for viruses."""
    with_address(alice)
    collected(acme)
    deliver()

    answer = Client().get(stop_link(inbox))

    assert answer.status_code == 200
    assert "A drill failed" in answer.content.decode()
    assert not NoticeChoice.objects.exists()


@pytest.mark.parametrize("kind", NoticeKind)
def test_a_link_stops_exactly_its_kind(acme: Organization, alice: User, kind: NoticeKind) -> None:
    path = PATH + link_to_stop(of(alice).pk, kind, "email").rpartition("/")[2]

    answer = Client().post(path)

    if kind in ALWAYS_MAILED:
        assert answer.status_code == 404
        assert not NoticeChoice.objects.exists()
    else:
        assert answer.status_code == 200
        assert set(NoticeChoice.objects.values_list("kind", flat=True)) <= {kind}
        assert not member(of(alice)).wants(kind, "email")


def test_the_link_of_a_digest_stops_all_that_a_digest_tells(
    acme: Organization, alice: User
) -> None:
    Client().post(PATH + link_to_stop(of(alice).pk, DIGEST, "email").rpartition("/")[2])

    own = member(of(alice))
    for kind in NoticeKind:
        if kind not in AT_ONCE | ALWAYS_MAILED.keys():
            assert not own.wants(kind, "email")
    assert own.wants(NoticeKind.NOT_REACHED, "email")


@pytest.mark.parametrize("change", ["x", "", "x" * 5000])
def test_a_changed_link_is_none(acme: Organization, alice: User, change: str) -> None:
    token = link_to_stop(of(alice).pk, "drill.failed", "email").rpartition("/")[2]
    path = f"{PATH}{token[:-1]}{change}"

    for answer in (Client().get(path), Client().post(path)):
        assert answer.status_code in (404, 414)
    assert not NoticeChoice.objects.exists()


def test_the_link_of_a_person_who_left_is_none(acme: Organization, alice: User) -> None:
    token = link_to_stop(of(alice).pk, "drill.failed", "email").rpartition("/")[2]
    assert read_link(token).membership == of(alice)
    Membership.objects.all().delete()

    assert Client().post(f"{PATH}{token}").status_code == 404


def test_the_log_does_not_show_the_link() -> None:
    path = f"{PATH}WzcsImRyaWxsLmZhaWxlZCIsImVtYWlsIl0:1xXua2:PeVxdHLmStdMmkOJK8gQMLPOHNI02sAFr4eh"
    line = logging.LogRecord("uvicorn.access", 20, "", 1, "%s", (f"GET {path}",), None)
    NoSecretPaths().filter(line)

    assert "Wzcs" not in line.getMessage()
    assert "1xXua2" not in line.getMessage()
