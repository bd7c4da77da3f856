"""The emergency site keeps the last manager of the staff, as all other doors do."""

from __future__ import annotations

from typing import Any

import pytest

from portal.accounts.models import User
from portal.audit.models import AuditEntry
from tests.conftest import ClientOf
from tests.factories import AuthenticatorFactory, UserFactory
from tests.portal.accounts.test_staff_powers import form_of, url_of

pytestmark = pytest.mark.django_db

REFUSAL = "mo is the last manager of the portal&#x27;s staff who can sign in."


@pytest.fixture
def ines(db: None) -> User:
    """A second manager, who can sign in."""
    ines = UserFactory.create(username="ines", is_staff=True, is_superuser=True)
    AuthenticatorFactory.create(user=ines)
    return ines


def manager_form(person: User, **changed: Any) -> dict[str, Any]:
    filled = {**form_of(person), "is_superuser": "on", **changed}
    return {name: value for name, value in filled.items() if value is not None}


@pytest.mark.parametrize("field", ["is_active", "is_staff", "is_superuser"])
def test_the_form_refuses_to_take_it_from_the_last_manager(
    mo: User, client_of: ClientOf, field: str
) -> None:
    answer = client_of(mo).post(url_of(mo), manager_form(mo, **{field: None}))

    assert answer.status_code == 200
    assert REFUSAL in answer.content.decode()
    assert getattr(User.objects.get(pk=mo.pk), field)


def test_a_manager_without_a_second_factor_is_no_other_one(
    mo: User, ines: User, client_of: ClientOf
) -> None:
    ines.authenticator_set.all().delete()

    client_of(mo).post(url_of(mo), manager_form(mo, is_superuser=None))

    assert User.objects.get(pk=mo.pk).is_superuser


@pytest.mark.parametrize("field", ["is_active", "is_staff", "is_superuser"])
def test_the_form_takes_it_from_any_other_manager(
    mo: User, ines: User, client_of: ClientOf, field: str
) -> None:
    answer = client_of(mo).post(url_of(ines), manager_form(ines, **{field: None}))

    assert answer.status_code == 302
    assert not getattr(User.objects.get(pk=ines.pk), field)


def test_the_last_manager_can_change_a_name(mo: User, client_of: ClientOf) -> None:
    answer = client_of(mo).post(url_of(mo), manager_form(mo, first_name="Mo"))

    assert answer.status_code == 302
    assert User.objects.get(pk=mo.pk).first_name == "Mo"


@pytest.mark.parametrize("is_confirmed", [False, True])
def test_the_last_manager_cannot_be_deleted(
    mo: User, client_of: ClientOf, is_confirmed: bool
) -> None:
    browser = client_of(mo)
    confirmed = {"post": "yes"} if is_confirmed else {}
    chosen = {"action": "delete_selected", "_selected_action": [str(mo.pk)]}
    pages = [
        browser.get(url_of(mo, "delete")),
        browser.post(url_of(mo, "delete"), {"post": "yes"}),
        browser.post("/admin/accounts/user/", {**chosen, **confirmed}),
    ]

    assert all(REFUSAL in one.content.decode() for one in pages)
    assert User.objects.filter(pk=mo.pk).exists()
    assert not AuditEntry.objects.filter(verb__endswith="deleted").exists()


def test_all_managers_together_cannot_be_deleted(mo: User, ines: User, client_of: ClientOf) -> None:
    everybody = [str(mo.pk), str(ines.pk)]
    chosen = {"action": "delete_selected", "_selected_action": everybody, "post": "yes"}

    page = client_of(mo).post("/admin/accounts/user/", chosen)

    assert "ines and mo are the last managers" in page.content.decode()
    assert User.objects.filter(pk__in=everybody).count() == 2


def test_one_of_two_managers_can_be_deleted(mo: User, ines: User, client_of: ClientOf) -> None:
    answer = client_of(mo).post(url_of(ines, "delete"), {"post": "yes"})

    assert answer.status_code == 302
    assert not User.objects.filter(pk=ines.pk).exists()
