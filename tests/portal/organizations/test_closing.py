"""Staff rename an organization, close it, and open it again."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.accounts.models import ApiToken, User
from portal.events.models import Event
from portal.organizations.models import Organization
from tests.conftest import ApiOf, ClientOf
from tests.portal.organizations.mails import mails_to

PAGE = "/portal/organizations/acme/"
API = "/api/v1/organizations/acme"
REASON = "The contract has ended"


@pytest.fixture
def staff(mo: User, client_of: ClientOf) -> Client:
    return client_of(mo)


def changed() -> list[object]:
    return [one.data["changed"] for one in Event.objects.filter(type="organization.changed")]


def test_a_new_name_keeps_the_address(staff: Client, acme: Organization) -> None:
    answer = staff.post(f"{PAGE}rename", {"name": "  Acme   Networks "}, follow=True)

    assert "Acme Networks" in answer.content.decode()
    assert changed() == [{"name": {"from": "Acme", "to": "Acme Networks"}}]
    assert Organization.objects.get(slug="acme").name == "Acme Networks"


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "globex", "Ac\x00me", "A\u202eme"])
def test_every_door_refuses_a_wrong_name(
    staff: Client, mo: User, acme: Organization, globex: Organization, api_of: ApiOf, name: str
) -> None:
    page = staff.post(f"{PAGE}rename", {"name": name})
    called = api_of(mo).put(f"{API}/name", {"name": name}, format="json")

    assert (page.status_code, called.status_code) == (400, 400)
    assert 'id="new-name-e"' in page.content.decode()
    assert called.json()["errors"][0]["field"] == "name"
    assert Organization.objects.get(slug="acme").name == "Acme"


def test_members_of_a_closed_organization_cannot_use_it_and_its_admins_read_why(
    staff: Client, acme: Organization, alice: User, client_of: ClientOf
) -> None:
    User.objects.filter(pk=alice.pk).update(email="alice@example.com")
    member = client_of(alice)

    answer = staff.post(f"{PAGE}close", {"reason": REASON}, follow=True)
    closed = member.get("/organizations/acme/").status_code
    again = staff.post(f"{PAGE}close", {"reason": REASON})
    opened = staff.post(f"{PAGE}open", follow=True)

    assert "is closed to its members" in answer.content.decode()
    assert closed == 404
    assert again.status_code == 409
    assert "can use it again" in opened.content.decode()
    assert member.get("/organizations/acme/").status_code == 200
    first, second = mails_to("alice@example.com")
    assert REASON in first
    assert "open again" in second


@pytest.mark.parametrize("reason", ["", "too short", "x" * 501])
def test_closing_needs_a_reason(
    staff: Client, mo: User, acme: Organization, api_of: ApiOf, reason: str
) -> None:
    page = staff.post(f"{PAGE}close", {"reason": reason})
    called = api_of(mo).post(f"{API}/closing", {"reason": reason}, format="json")

    assert (page.status_code, called.status_code) == (400, 400)
    assert Organization.objects.get(slug="acme").is_active


def test_a_program_of_staff_closes_and_opens(mo: User, acme: Organization, api_of: ApiOf) -> None:
    api = api_of(mo)

    closed = api.post(f"{API}/closing", {"reason": REASON}, format="json")
    twice = api.post(f"{API}/closing", {"reason": REASON}, format="json")
    opened = api.delete(f"{API}/closing")
    late = api.delete(f"{API}/closing")

    assert [closed.status_code, opened.status_code] == [204, 204]
    assert [twice.json()["code"], late.json()["code"]] == ["closed-already", "not-closed"]


def test_each_needs_a_fresh_factor_and_an_organization(
    mo: User, acme: Organization, api_of: ApiOf
) -> None:
    api = api_of(mo)
    unknown = api.put("/api/v1/organizations/nowhere/name", {"name": "X"}, format="json")
    ApiToken.objects.update(factor_at=None)

    answers = [
        api.put(f"{API}/name", {"name": "X"}, format="json"),
        api.post(f"{API}/closing", {"reason": REASON}, format="json"),
        api.delete(f"{API}/closing"),
    ]

    assert unknown.status_code == 404
    assert {one.json()["code"] for one in answers} == {"fresh-factor-required"}
