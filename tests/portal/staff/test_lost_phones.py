"""A lost phone of a colleague: two managers together, and never one alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import ApiToken, User
from portal.audit.models import PORTAL_CHAIN, AuditEntry
from portal.core.errors import Conflict, Invalid, NotFound, PortalError
from portal.staff import lost_phones, people
from portal.staff.models import StaffFactorReset, StaffRole
from tests.conftest import ApiOf, ClientOf
from tests.portal.organizations.mails import mails_to
from tests.portal.staff.conftest import Colleague

REASON = "Called back at the number in the directory"
ORIGIN = "https://portal.example"
ADDRESS = "192.0.2.1"


@pytest.fixture
def ines(colleague: Colleague) -> User:
    """A second manager."""
    return colleague("ines")


@pytest.fixture
def rosa(colleague: Colleague) -> User:
    return colleague("rosa", StaffRole.SUPPORT)


def start(by: User, user: User) -> StaffFactorReset:
    return lost_phones.start(user_id=user.pk, actor=Actor.person(by), reason=REASON, origin=ORIGIN)


def confirm(by: User, user: User) -> None:
    lost_phones.confirm(user_id=user.pk, actor=Actor.person(by), address=ADDRESS)


def has_factor(user: User) -> bool:
    return user.authenticator_set.exists()


def test_a_second_manager_confirms_and_the_person_gets_two_mails(
    mo: User, ines: User, rosa: User, client_of: ClientOf, api_of: ApiOf
) -> None:
    api_of(rosa)
    page = f"/portal/staff/{rosa.pk}/lost-phone"
    first = client_of(mo)
    first.post(page, {"reason": REASON})
    assert has_factor(rosa), "nothing has changed yet"
    assert "Another manager than you" in first.get(page).content.decode()
    [asked] = mails_to("ines@portal.example")
    assert page in asked
    second = client_of(ines)
    assert REASON in second.get(page).content.decode()
    assert "waits for a second manager" in second.get("/portal/staff/").content.decode()

    answer = second.post(f"{page}/confirm", follow=True)

    assert "The second factor is reset." in answer.content.decode()
    assert not has_factor(rosa)
    assert not ApiToken.objects.filter(user=rosa).exists()
    _, started, done = mails_to("rosa@portal.example")
    assert "Nothing has changed yet" in started
    assert "mo asked to reset your second factor, and ines confirmed it." in done
    entries = AuditEntry.objects.filter(organization_id=PORTAL_CHAIN, object_name="rosa")
    kept = entries.filter(verb__contains="factor_reset").order_by("pk")
    assert list(kept.values_list("verb", "actor_name", "reason")) == [
        ("staff.factor_reset_started", "mo", REASON),
        ("person.factor_reset", "ines", ""),
    ]


def test_neither_the_manager_who_asked_nor_the_person_confirms(
    mo: User, ines: User, colleague: Colleague
) -> None:
    colleague("third")
    start(mo, ines)

    for one in (mo, ines):
        with pytest.raises(Conflict) as caught:
            confirm(one, ines)
        assert caught.value.code == "second-manager-needed"

    assert has_factor(ines)


def nothing_started(mo: User, rosa: User) -> None:
    """No one asked."""


def expired(mo: User, rosa: User) -> None:
    start(mo, rosa)
    StaffFactorReset.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def canceled_by_the_person(mo: User, rosa: User) -> None:
    start(mo, rosa)
    lost_phones.cancel(user_id=rosa.pk, actor=Actor.person(rosa))


def asked_by_a_manager_who_left(mo: User, rosa: User) -> None:
    start(mo, rosa)
    people.end(user_id=mo.pk, actor=Actor.person(mo), address=ADDRESS)


@pytest.mark.parametrize(
    "before", [nothing_started, expired, canceled_by_the_person, asked_by_a_manager_who_left]
)
def test_nothing_is_left_to_confirm(mo: User, ines: User, rosa: User, before: Any) -> None:
    before(mo, rosa)

    with pytest.raises(NotFound):
        confirm(ines, rosa)

    assert has_factor(rosa)


def oneself(mo: User, ines: User, rosa: User) -> str:
    rosa.pk = mo.pk
    return "not-your-own"


def without_a_second_manager(mo: User, ines: User, rosa: User) -> str:
    User.objects.filter(pk=ines.pk).update(is_active=False)
    return "no-second-manager"


def twice(mo: User, ines: User, rosa: User) -> str:
    start(mo, rosa)
    return "reset-waits"


@pytest.mark.parametrize("prepare", [oneself, without_a_second_manager, twice])
def test_every_door_refuses_the_same_resets(
    mo: User, ines: User, rosa: User, client_of: ClientOf, api_of: ApiOf, prepare: Any
) -> None:
    code = prepare(mo, ines, rosa)

    with pytest.raises(PortalError) as caught:
        start(mo, rosa)
    page = client_of(mo).post(f"/portal/staff/{rosa.pk}/lost-phone", {"reason": REASON})
    called = api_of(mo).post(
        f"/api/v1/staff/{rosa.pk}/lost-phone", {"reason": REASON}, format="json"
    )

    assert caught.value.code == code
    assert page.status_code == 409
    assert (called.status_code, called.json()["code"]) == (409, code)


@pytest.mark.parametrize("reason", ["", "phone", "x" * 501, " " * 20])
def test_a_reason_is_required(mo: User, ines: User, rosa: User, reason: str) -> None:
    with pytest.raises(Invalid):
        lost_phones.start(user_id=rosa.pk, actor=Actor.person(mo), reason=reason, origin=ORIGIN)


def test_programs_do_the_same(mo: User, ines: User, rosa: User, api_of: ApiOf) -> None:
    place = f"/api/v1/staff/{rosa.pk}/lost-phone"
    one, other = api_of(mo), api_of(ines)

    started = one.post(place, {"reason": REASON}, format="json")
    own = one.post(f"{place}/confirm")
    confirmed = other.post(f"{place}/confirm")
    late = other.delete(place)

    assert started.status_code == 201
    assert started.json()["started_by"] == "mo"
    assert (own.status_code, own.json()["code"]) == (409, "second-manager-needed")
    assert (confirmed.status_code, late.status_code) == (204, 404)
    assert not has_factor(rosa)


def test_the_person_cancels_on_the_page(
    mo: User, ines: User, rosa: User, client_of: ClientOf
) -> None:
    start(mo, rosa)
    browser = client_of(rosa)
    assert "Cancel the reset" in browser.get("/portal/staff/").content.decode()

    answer = browser.post(f"/portal/staff/{rosa.pk}/lost-phone/cancel", follow=True)

    assert "The reset is canceled." in answer.content.decode()
    assert not StaffFactorReset.objects.exists()
