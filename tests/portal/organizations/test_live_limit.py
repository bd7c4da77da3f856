"""Staff change how many live requests an organization may have."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.accounts.models import ApiToken, User
from portal.audit.models import AuditEntry
from portal.events.acts import record_acts
from portal.events.models import Event
from portal.organizations.models import Organization
from tests.conftest import ApiOf, ClientOf
from tests.factories import UserFactory
from tests.portal.organizations.mails import mails_to

PAGE = "/portal/organizations/acme/"
API = "/api/v1/organizations/acme/live-limit"
REASON = "They grew: two new sites"


@pytest.fixture
def staff(mo: User, client_of: ClientOf) -> Client:
    return client_of(mo)


@pytest.fixture(autouse=True)
def _address_of_alice(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(email="alice@example.com")


def limit() -> int:
    return Organization.objects.get(slug="acme").max_live_requests


def test_a_new_limit_counts_and_its_admins_read_it_in_mail_policy_and_audit(
    staff: Client, acme: Organization, alice: User, client_of: ClientOf
) -> None:
    shown = staff.get(PAGE).content.decode()
    answer = staff.post(f"{PAGE}limit", {"limit": "1,500", "reason": REASON}, follow=True)
    record_acts()

    assert 'value="100"' in shown
    assert "Acme may have 1,500 live requests at a time." in answer.content.decode()
    assert limit() == 1500
    [mail] = mails_to("alice@example.com")
    assert "from 100 to 1,500" in " ".join(mail.split())
    assert REASON in mail
    entry = AuditEntry.objects.get(organization_id=acme.pk, verb="organization.changed")
    assert (entry.before, entry.after) == ({"max_live_requests": 100}, {"max_live_requests": 1500})
    assert (entry.reason, entry.is_by_staff) == (REASON, True)
    policy = client_of(alice).get("/organizations/acme/settings/policy").content.decode()
    assert "may have 1,500 live requests" in " ".join(policy.split())


def test_a_program_changes_it_too_and_the_reason_is_optional(
    mo: User, acme: Organization, api_of: ApiOf
) -> None:
    answer = api_of(mo).put(API, {"max_live_requests": 5}, format="json")

    assert (answer.status_code, answer.json()) == (200, {"slug": "acme", "max_live_requests": 5})
    [mail] = mails_to("alice@example.com")
    assert "reason" not in mail
    assert "reason" not in Event.objects.get(type="organization.changed").data


def test_the_same_limit_changes_nothing(staff: Client, acme: Organization) -> None:
    answer = staff.post(f"{PAGE}limit", {"limit": "100", "reason": REASON})

    assert answer.status_code == 302
    assert not Event.objects.filter(type="organization.changed").exists()
    assert mails_to("alice@example.com") == []


@pytest.mark.parametrize("value", [0, -1, 100_001, 2**31])
def test_every_door_refuses_what_is_out_of_range(
    staff: Client, mo: User, acme: Organization, api_of: ApiOf, value: int
) -> None:
    page = staff.post(f"{PAGE}limit", {"limit": str(value)})
    called = api_of(mo).put(API, {"max_live_requests": value}, format="json")

    assert (page.status_code, called.status_code) == (400, 400)
    assert 'id="limit-e"' in page.content.decode()
    [error] = called.json()["errors"]
    assert (error["field"], error["code"]) == ("max_live_requests", "out-of-range")
    assert limit() == 100


@pytest.mark.parametrize("typed", ["", "many", "1.5", "²", "9" * 30])
def test_the_page_says_what_it_cannot_read(staff: Client, acme: Organization, typed: str) -> None:
    page = staff.post(f"{PAGE}limit", {"limit": typed, "reason": REASON})

    assert page.status_code == 400
    assert "Write a whole number, 1 to 100,000." in page.content.decode()
    assert REASON in page.content.decode(), "what was typed stays"
    assert limit() == 100


@pytest.mark.parametrize("reason", ["x" * 501, "a\x00b", "a\u202eb"])
def test_every_door_refuses_a_wrong_reason(
    staff: Client, mo: User, acme: Organization, api_of: ApiOf, reason: str
) -> None:
    page = staff.post(f"{PAGE}limit", {"limit": "7", "reason": reason})
    called = api_of(mo).put(API, {"max_live_requests": 7, "reason": reason}, format="json")

    assert (page.status_code, called.status_code) == (400, 400)
    assert 'id="reason-e"' in page.content.decode()
    assert limit() == 100


def test_it_needs_the_permission_a_fresh_factor_and_an_organization(
    mo: User, alice: User, acme: Organization, api_of: ApiOf
) -> None:
    api = api_of(mo)
    unknown = api.put(API.replace("acme", "nowhere"), {"max_live_requests": 7}, format="json")
    ApiToken.objects.update(factor_at=None)
    stale = api.put(API, {"max_live_requests": 7}, format="json")
    other = api_of(UserFactory.create(is_staff=True)).put(
        API, {"max_live_requests": 7}, format="json"
    )
    admin = api_of(alice).put(API, {"max_live_requests": 7}, format="json")

    assert unknown.status_code == 404
    assert stale.json()["code"] == "fresh-factor-required"
    assert (other.status_code, admin.status_code) == (403, 403)
    assert limit() == 100
