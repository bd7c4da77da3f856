"""Staff use only the permissions they have, on people with no more permissions; both logs record
each action.
"""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.test import Client

from portal.accounts.actors import Actor
from portal.accounts.admin import PersonAdmin
from portal.accounts.models import User
from portal.mitigations import services as mitigations
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from tests.conftest import ClientOf
from tests.factories import AuthenticatorFactory, ResourceFactory, UserFactory

Staff = Any


@pytest.fixture
def staff_with(client_of: ClientOf) -> Any:
    """A browser of a member of staff with these permissions."""

    def staff_with(*codenames: str) -> tuple[User, Client]:
        user = UserFactory.create(is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        AuthenticatorFactory.create(user=user)
        return user, client_of(user)

    return staff_with


def form_of(person: User, **changed: Any) -> dict[str, Any]:
    form = {"username": person.username, "email": "", "first_name": "", "last_name": ""}
    return {**form, "is_active": "on", "is_staff": "on" if person.is_staff else "", **changed}


def url_of(person: User, page: str = "change") -> str:
    return f"/admin/accounts/user/{person.pk}/{page}/"


def test_staff_with_view_permission_cannot_reset_a_second_factor(
    bob: User, staff_with: Staff
) -> None:
    _, browser = staff_with("view_user")

    listed = browser.get("/admin/accounts/user/").content.decode()
    chosen = {"action": "reset_second_factor", "_selected_action": [str(bob.pk)]}
    browser.post("/admin/accounts/user/", chosen)
    answers = [
        browser.get(url_of(bob, "reset-second-factor")),
        browser.post(url_of(bob, "reset-second-factor"), {"reason": "x"}),
        browser.post(url_of(bob, "password"), {"password1": "x", "password2": "x"}),
        browser.post(url_of(bob), form_of(bob, is_active="")),
    ]

    assert "Reset the second factor" not in listed
    assert [answer.status_code for answer in answers] == [403] * 4
    assert bob.authenticator_set.exists()


@pytest.mark.parametrize("own", [True, False])
def test_staff_cannot_make_a_superuser(bob: User, staff_with: Staff, own: bool) -> None:
    actor, browser = staff_with("change_user", "view_user", "add_user")
    person = actor if own else bob

    page = browser.get(url_of(person)).content.decode()
    given = list(Permission.objects.filter(codename="change_user").values_list("pk", flat=True))
    kept = given if own else []
    browser.post(url_of(person), form_of(person, is_superuser="on", user_permissions=kept))

    assert "is_superuser" not in page
    assert not User.objects.filter(is_superuser=True).exists()


@pytest.mark.parametrize("way", ["user_permissions", "groups"])
def test_staff_cannot_grant_permissions_they_lack(bob: User, staff_with: Staff, way: str) -> None:
    _, browser = staff_with("change_user", "view_user")
    more, own = (Permission.objects.get(codename=name) for name in ("delete_provider", "view_user"))
    groups = {name: Group.objects.create(name=name) for name in ("more", "own")}
    groups["more"].permissions.set([more, own])
    groups["own"].permissions.set([own])
    values = {
        "user_permissions": (more.pk, own.pk),
        "groups": (groups["more"].pk, groups["own"].pk),
    }
    beyond, within = values[way]

    refused = browser.post(url_of(bob), form_of(bob, **{way: [beyond]}))
    taken = browser.post(url_of(bob), form_of(bob, **{way: [within]}))

    assert (refused.status_code, taken.status_code) == (200, 302)
    assert "Select a valid choice" in refused.content.decode()
    assert bob.get_all_permissions() == {"accounts.view_user"}


def test_a_permission_granted_by_a_forged_form_is_rolled_back(
    bob: User, staff_with: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the form offered all fields."""
    _, browser = staff_with("change_user", "view_user")
    superusers = PersonAdmin.fieldsets
    monkeypatch.setattr(PersonAdmin, "get_fieldsets", lambda *_: superusers)
    monkeypatch.delattr(PersonAdmin, "formfield_for_manytomany")
    more = Permission.objects.get(codename="delete_provider")

    for changed in ({"is_superuser": "on"}, {"user_permissions": [more.pk]}):
        assert browser.post(url_of(bob), form_of(bob, **changed)).status_code == 403

    bob = User.objects.get(pk=bob.pk)
    assert not bob.is_superuser
    assert not bob.get_all_permissions()


@pytest.mark.parametrize("page", ["change", "password", "delete", "reset-second-factor"])
@pytest.mark.parametrize("active", [True, False])
def test_staff_cannot_edit_people_with_more_permissions(
    mo: User, staff_with: Staff, page: str, active: bool
) -> None:
    _, browser = staff_with("change_user", "view_user", "delete_user")
    other, _ = staff_with("change_user", "delete_provider")
    User.objects.filter(pk__in=[mo.pk, other.pk]).update(is_active=active)

    for person in (mo, other):
        form = {**form_of(person), "post": "yes", "reason": "x", "password1": "a" * 20}
        answer = browser.post(url_of(person, page), {**form, "password2": "a" * 20})
        assert answer.status_code == 403, person


def test_a_reset_is_for_one_person_at_a_time(mo: User, bob: User, client_of: ClientOf) -> None:
    browser = client_of(mo)
    everybody = [str(pk) for pk in User.objects.values_list("pk", flat=True)]

    chosen = {"action": "reset_second_factor", "_selected_action": everybody}
    page = browser.post("/admin/accounts/user/", chosen, follow=True)

    assert "Choose one person" in page.content.decode()
    assert bob.authenticator_set.exists()


def test_staff_actions_are_in_both_logs_with_reasons_and_no_other_values(
    mo: User, bob: User, client_of: ClientOf, caplog: pytest.LogCaptureFixture
) -> None:
    browser = client_of(mo)
    password = "a staple that nobody shall read"
    with caplog.at_level(logging.INFO, "portal.security"):
        browser.post(url_of(bob), form_of(bob, email="bob@acme.example"))
        typed = {"password1": password, "password2": password, "usable_password": "true"}
        browser.post(url_of(bob, "password"), typed)
        browser.post(url_of(bob, "reset-second-factor"), {"reason": "Met in person"})
        browser.post(url_of(bob), form_of(bob, email="bob@acme.example", is_active=""))
        browser.post(url_of(bob), form_of(bob, email="new@acme.example", is_active=""))

    acts = [line for line in caplog.messages if line.startswith("admin-action")]
    assert len(acts) == LogEntry.objects.filter(object_id=str(bob.pk)).count() == 5
    assert all('actor="mo"' in act and 'target="user bob"' in act for act in acts)
    assert all('address="127.0.0.1"' in act and f'id="{bob.pk}"' in act for act in acts)
    assert 'password-changed user="bob"' in caplog.messages
    assert any(line.startswith('factor-reset user="bob" actor="mo"') for line in caplog.messages)
    assert [line for line in caplog.messages if line.startswith("person-deactivated")] == [
        'person-deactivated user="bob" actor="mo" address="127.0.0.1"'
    ]
    assert [act.partition(" changes=")[2] for act in acts] == [
        '"Email address"',
        '"password"',
        '"Reset the second factor. Reason: Met in person"',
        '"Active"',
        '"Email address"',
    ]
    assert password not in caplog.text
    assert "acme.example" not in caplog.text


def test_a_person_with_a_history_cannot_be_deleted_and_the_page_says_why(
    mo: User, dana: User, acme: Organization, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    ResourceFactory.create(organization=acme, value="203.0.113.0/26")
    mitigations.submit(
        organization=acme,
        actor=Actor.person(dana),
        submission=Submission(prefixes=("203.0.113.7/32",)),
    )
    browser = client_of(mo)
    chosen = {"action": "delete_selected", "_selected_action": [str(dana.pk)]}

    for page in (
        browser.get(url_of(dana, "delete")),
        browser.post("/admin/accounts/user/", chosen),
    ):
        text = page.content.decode()
        assert "Untick Active instead" in text
        assert "Mitigation request" not in text
    assert User.objects.filter(pk=dana.pk).exists()


@pytest.mark.parametrize(
    ("page", "lookup"),
    [
        ("accounts/user", "password__startswith"),
        ("accounts/user", "access_epoch__startswith"),
        ("accounts/user", "auth_token_set__digest__startswith"),
        ("providers/subscription", "private_key__startswith"),
        ("providers/subscription", "organization__memberships__user__password__startswith"),
        ("organizations/membership", "user__password__startswith"),
    ],
)
def test_no_list_filters_by_hidden_fields(
    mo: User, acme_northgate: Subscription, client_of: ClientOf, page: str, lookup: str
) -> None:
    answer = client_of(mo).get(f"/admin/{page}/", {lookup: "a"})

    assert answer.status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "accounts/user/?is_active__exact",
        "organizations/membership/?role__exact",
        "providers/subscription/?session_state__exact",
    ],
)
@pytest.mark.parametrize("value", ["\0", "a\0b"])
def test_a_nul_in_a_filter_is_refused(
    mo: User, client_of: ClientOf, query: str, value: str
) -> None:
    assert client_of(mo).get(f"/admin/{query}={quote(value)}").status_code in (302, 400)
