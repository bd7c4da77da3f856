"""A reset, a new password and a deactivation end every session, token and known device, wherever
they are done.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as configured
from django.contrib.auth.management.commands import changepassword
from django.core.management import call_command
from django.db import connection
from django.test import Client

from portal.accounts import services
from portal.accounts.models import ApiToken, Authenticator, KnownDevice, RecoveryKit, User
from portal.core.errors import InvalidCredentials
from tests.conftest import ApiOf, ClientOf, HalfSignedIn
from tests.factories import PASSWORD, app_code
from tests.portal.accounts.enrolling import ADDRESS, HERE, shown_key

NEW_PASSWORD = "another staple altogether"


def _reset_factor(user: User, staff: Client) -> None:
    services.reset_second_factor(user=user, actor=user, address=ADDRESS)


def _new_password_of_staff(user: User, staff: Client) -> None:
    form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "usable_password": "true"}
    answer = staff.post(f"/admin/accounts/user/{user.pk}/password/", form)
    assert answer.status_code == 302


def _no_password_by_staff(user: User, staff: Client) -> None:
    form = {"usable_password": "false", "unset-password": "1"}
    assert staff.post(f"/admin/accounts/user/{user.pk}/password/", form).status_code == 302


def _new_password_in_the_shell(user: User, staff: Client) -> None:
    user.set_password(NEW_PASSWORD)
    user.save()


def _command(user: User, staff: Client) -> None:
    class Typed(changepassword.Command):
        def _get_pass(self, prompt: str = "") -> str:
            return NEW_PASSWORD

    call_command(Typed(), user.username, stdout=io.StringIO())


def _deactivate_and_take_back(user: User, staff: Client) -> None:
    url = f"/admin/accounts/user/{user.pk}/change/"
    form = {"username": user.username, "first_name": "", "last_name": "", "email": ""}
    assert staff.post(url, form).status_code == 302
    assert not User.objects.get(pk=user.pk).is_active
    assert staff.post(url, {**form, "is_active": "on"}).status_code == 302


@pytest.mark.parametrize(
    "ending",
    [
        _reset_factor,
        _new_password_of_staff,
        _no_password_by_staff,
        _new_password_in_the_shell,
        _command,
        _deactivate_and_take_back,
    ],
)
def test_ending_access_ends_every_session_and_token(
    alice: User,
    mo: User,
    client_of: ClientOf,
    api_of: ApiOf,
    half_signed_in: HalfSignedIn,
    ending: Callable[[User, Client], None],
) -> None:
    page, half, program = client_of(alice), half_signed_in(alice), api_of(alice)
    assert page.get("/api/v1/me").status_code == 200
    assert program.get("/api/v1/me").status_code == 200

    ending(alice, client_of(mo))

    assert page.get("/api/v1/me").status_code == 401
    assert program.get("/api/v1/me").status_code == 401
    for stolen in (page, half):
        for path in ("/organizations/acme/", "/enrol", "/sign-in/code"):
            assert stolen.get(path)["Location"].startswith("/sign-in?"), path
    assert not ApiToken.objects.filter(user=alice).exists()
    assert not KnownDevice.objects.filter(user=alice).exists()


def test_a_reset_gives_an_open_session_no_access_to_the_account(
    alice: User, client_of: ClientOf, half_signed_in: HalfSignedIn
) -> None:
    thief = client_of(alice)
    services.renew_recovery_codes(user=alice)

    services.reset_second_factor(user=alice, actor=alice, address=ADDRESS)

    assert not Authenticator.objects.exists()
    assert not RecoveryKit.objects.exists()
    assert thief.get("/enrol")["Location"].startswith("/sign-in?")
    assert thief.post("/enrol", {"code": "123456"})["Location"].startswith("/sign-in?")
    owner = half_signed_in(alice)
    assert owner.post("/enrol", {"code": app_code(shown_key(owner))}).status_code == 200
    assert owner.get("/organizations/acme/").status_code == 200


def test_the_browser_that_changed_the_password_stays_signed_in(
    mo: User, client_of: ClientOf
) -> None:
    here, elsewhere = client_of(mo), client_of(mo)
    form = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}

    assert here.post("/admin/password_change/", form).status_code == 302

    assert here.get("/admin/").status_code == 200
    assert elsewhere.get("/admin/")["Location"].startswith("/sign-in?")


def test_rehashing_the_same_password_ends_no_session(
    alice: User, api_of: ApiOf, settings: Any
) -> None:
    program = api_of(alice)
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.ScryptPasswordHasher",
        *configured.PASSWORD_HASHERS,
    ]

    services.check_password(username="alice", password=PASSWORD, address=ADDRESS)

    assert User.objects.get(pk=alice.pk).password.startswith("scrypt")
    assert program.get("/api/v1/me").status_code == 200


def test_sessions_older_than_the_first_epoch_stay_signed_in(
    alice: User, client_of: ClientOf
) -> None:
    assert "." not in client_of(alice).session["_auth_user_hash"]


def test_other_changes_by_staff_end_no_session(
    alice: User, mo: User, client_of: ClientOf, api_of: ApiOf
) -> None:
    page, program = client_of(alice), api_of(alice)
    form = {"username": "alice", "first_name": "Alice", "last_name": "", "is_active": "on"}

    client_of(mo).post(
        f"/admin/accounts/user/{alice.pk}/change/", {**form, "email": "a@acme.example"}
    )

    alice.refresh_from_db()
    assert alice.email == "a@acme.example"
    assert page.get("/api/v1/me").status_code == 200
    assert program.get("/api/v1/me").status_code == 200


def test_a_staff_form_loaded_before_a_reset_does_not_undo_it(
    alice: User, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch, mo: User
) -> None:
    """The staff's request reads the person before the reset commits."""
    thief, browser = client_of(alice), client_of(mo)
    full_clean = User.full_clean

    def reset_meanwhile(self: User, *args: Any, **kwargs: Any) -> None:
        full_clean(self, *args, **kwargs)
        services.reset_second_factor(user=User.objects.get(pk=alice.pk), actor=mo, address=ADDRESS)

    monkeypatch.setattr(User, "full_clean", reset_meanwhile)
    form = {"username": "alice", "first_name": "A", "last_name": "", "email": "", "is_active": "on"}

    assert browser.post(f"/admin/accounts/user/{alice.pk}/change/", form).status_code == 302

    alice.refresh_from_db()
    assert alice.first_name == "A"
    assert alice.access_epoch
    assert thief.get("/organizations/acme/")["Location"].startswith("/sign-in?")


def test_a_check_before_a_password_change_gives_no_token_after_it(alice: User) -> None:
    checked = services.sign_in(
        username="alice", password=PASSWORD, code=app_code(), address=ADDRESS
    )
    services.end_access(user=User.objects.get(pk=alice.pk))

    with pytest.raises(InvalidCredentials):
        services.issue_token(user=checked, device_name="thief")
    with pytest.raises(InvalidCredentials):
        services.remember(user=checked, secret="", whence=HERE)

    assert not ApiToken.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_no_token_survives_a_reset_during_sign_ins(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [User.objects.get(pk=alice.pk) for _ in range(6)]
    together = threading.Barrier(len(people) + 1)

    def issue(user: User) -> None:
        together.wait()
        try:
            services.issue_token(user=user, device_name="x")
        except InvalidCredentials:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=issue, args=(user,)) for user in people]
    for thread in threads:
        thread.start()
    together.wait()

    services.reset_second_factor(user=alice, actor=alice, address=ADDRESS)

    for thread in threads:
        thread.join()
    assert not ApiToken.objects.exists()
    assert not KnownDevice.objects.exists()
