"""A presented credential leads to a person, or to none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.test import Client
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY
from pytest_django import DjangoAssertNumQueries

from portal.accounts import services
from portal.accounts.access import token_for, user_of_session
from portal.accounts.models import ApiToken, Authenticator, User
from portal.organizations.access import token_for as token_with_membership
from tests.conftest import ClientOf


def ago(seconds: float) -> Any:
    return timezone.now() - timedelta(seconds=seconds)


@pytest.fixture
def plain(bob: User) -> str:
    return services.issue_token(user=bob, device_name="test").plain


@pytest.mark.parametrize("find", [token_for, partial(token_with_membership, slug="acme")])
@pytest.mark.parametrize(
    ("token", "user", "is_let_in"),
    [
        ({}, {}, True),
        ({"expiry": None}, {}, True),
        ({"expiry": ago(-86_400)}, {}, True),
        ({"expiry": ago(1)}, {}, False),
        ({}, {"is_active": False}, False),
        ({"expiry": None}, {"is_active": False}, False),
    ],
)
def test_only_a_live_token_of_an_active_person_lets_in(
    plain: str, bob: User, token: dict[str, Any], user: dict[str, Any], is_let_in: bool,
    find: Callable[[str], ApiToken | None],
) -> None:  # fmt: skip
    ApiToken.objects.update(**{"expiry": ago(-3600), **token})
    User.objects.update(**{"is_active": True, **user})

    found = find(plain)

    assert (found is not None and found.user == bob) is is_let_in
    assert found is None or _values(found) == _values(ApiToken.objects.get()) | {
        "last_used_at": None
    }
    assert found is None or _values(found.user) == _values(User.objects.get(pk=bob.pk))


def _values(row: Any) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


@pytest.mark.parametrize("find", [token_for, partial(token_with_membership, slug="acme")])
@pytest.mark.parametrize(
    ("presented", "lookups"), [("a" * 128, 1), ("a" * 129, 0), ("ä", 0), ("ä" * 129, 0)]
)
def test_text_that_cannot_be_a_token_is_not_looked_up(
    plain: str,
    presented: str,
    lookups: int,
    django_assert_num_queries: DjangoAssertNumQueries,
    find: Callable[[str], ApiToken | None],
) -> None:
    with django_assert_num_queries(lookups):
        assert find(presented) is None


@pytest.mark.parametrize("find", [token_for, partial(token_with_membership, slug="acme")])
@pytest.mark.parametrize(("used_s_ago", "is_noted"), [(None, True), (50, False), (60, True)])
def test_the_use_of_a_token_is_noted_once_a_minute(
    plain: str, used_s_ago: int | None, is_noted: bool,
    find: Callable[[str], ApiToken | None],
) -> None:  # fmt: skip
    before = None if used_s_ago is None else ago(used_s_ago)
    ApiToken.objects.update(last_used_at=before)

    find(plain)

    assert (ApiToken.objects.get().last_used_at != before) is is_noted


def test_a_session_after_the_second_factor_is_its_persons(bob: User, client_of: ClientOf) -> None:
    assert user_of_session(str(client_of(bob).session.session_key)) == bob


@pytest.mark.parametrize("change", ["no device", "another's device", "no hash", "no person"])
def test_a_session_that_lacks_something_is_nobodys(
    bob: User, alice: User, client_of: ClientOf, change: str
) -> None:
    browser: Client = client_of(bob)
    session = browser.session
    match change:
        case "no device":
            del session[DEVICE_ID_SESSION_KEY]
        case "another's device":
            device = Authenticator.objects.get(user=alice)
            session[DEVICE_ID_SESSION_KEY] = device.persistent_id
        case "no hash":
            del session[HASH_SESSION_KEY]
        case _:
            session[SESSION_KEY] = "no-id"
    session.save()

    assert user_of_session(str(session.session_key)) is None


@pytest.mark.parametrize("change", ["inactive", "password", "device", "gone"])
def test_a_session_ends_with_what_it_was_opened_with(
    bob: User, client_of: ClientOf, change: str
) -> None:
    key = str(client_of(bob).session.session_key)
    match change:
        case "inactive":
            User.objects.filter(pk=bob.pk).update(is_active=False)
        case "password":
            bob.set_password("another-long-password")
            bob.save()
        case "device":
            Authenticator.objects.filter(user=bob).update(confirmed=False)
        case _:
            Authenticator.objects.filter(user=bob).delete()

    assert user_of_session(key) is None


@pytest.mark.parametrize("key", ["", "abcdefghijklmnopqrstuvwxyz012345"])
def test_an_unknown_session_is_nobodys(db: None, key: str) -> None:
    assert user_of_session(key) is None


def test_a_session_from_before_the_secret_key_was_changed_is_still_its_persons(
    bob: User, client_of: ClientOf, settings: Any
) -> None:
    key = str(client_of(bob).session.session_key)

    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-key"

    assert user_of_session(key) == bob
