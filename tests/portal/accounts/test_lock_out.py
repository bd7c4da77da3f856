"""Attempts of strangers slow down strangers, never a browser or program that signed in before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from portal.accounts import services
from portal.accounts.models import Authenticator, KnownDevice, User
from portal.accounts.services import sign_in_limits
from portal.accounts.services.known_devices import KNOWN_FOR, MAX_KNOWN_DEVICES_PER_USER
from portal.api import throttling
from portal.core.errors import InvalidCredentials, Throttled
from tests.factories import PASSWORD, app_code
from tests.portal.accounts.enrolling import HERE, enrolled_codes

COOKIE = settings.KNOWN_DEVICE_COOKIE
TOKEN_URL = "/api/v1/auth/token"


def sign_in_by_page(browser: Client, username: str = "alice", *, step: int = 0) -> int:
    first = browser.post("/sign-in", {"username": username, "password": PASSWORD})
    if first.status_code != 302:
        return first.status_code
    second = browser.post("/sign-in/code", {"code": app_code(steps=step)})
    return 200 if second.status_code == 302 else second.status_code


def sign_out(browser: Client) -> None:
    browser.post("/sign-out")


def stranger(number: int) -> Client:
    return Client(REMOTE_ADDR=f"198.51.{number // 256}.{number % 256}")


def attack_the_name(name: str) -> None:
    """Wrong passwords from everywhere, until even a right one is refused."""
    for number in range(sign_in_limits.TRIES_PER_USER.tries + 1):
        stranger(number).post("/sign-in", {"username": name, "password": "wrong"})
    refused = stranger(9999).post("/sign-in", {"username": name, "password": PASSWORD})
    assert refused.status_code == 429
    assert "Try again in" in refused.content.decode()


def exhaust_the_address(address: str) -> None:
    for number in range(sign_in_limits.TRIES_PER_ADDRESS.tries + 1):
        answer = Client(REMOTE_ADDR=address).post(
            "/sign-in", {"username": f"nobody{number}", "password": "wrong"}
        )
    assert answer.status_code == 429


def test_a_known_browser_signs_in_while_the_name_is_attacked(alice: User) -> None:
    known = Client()
    assert sign_in_by_page(known) == 200
    sign_out(known)

    attack_the_name("alice")
    exhaust_the_address("127.0.0.1")

    assert sign_in_by_page(known, step=1) == 200


def test_a_known_program_signs_in_while_the_name_is_attacked(alice: User) -> None:
    body = {"username": "alice", "password": PASSWORD, "device_name": "phone"}
    first = APIClient().post(TOKEN_URL, {**body, "otp": app_code()}).json()

    attack_the_name("alice")
    for _ in range(throttling.CALLS_PER_ADDRESS.tries + 1):
        refused = APIClient().post(TOKEN_URL, {})
    assert refused.status_code == 429
    without = APIClient().post(TOKEN_URL, {**body, "otp": app_code(steps=1)})
    known = APIClient().post(
        TOKEN_URL, {**body, "otp": app_code(steps=1), "device_token": first["device_token"]}
    )

    assert (without.status_code, known.status_code) == (429, 201)
    assert known.json()["device_token"] != first["device_token"]


def test_an_attacker_with_the_password_cannot_lock_out_the_code(alice: User) -> None:
    known = Client()
    assert sign_in_by_page(known) == 200
    sign_out(known)
    thief = Client()
    thief.post("/sign-in", {"username": "alice", "password": PASSWORD})
    answers = [thief.post("/sign-in/code", {"code": "000000"}).status_code for _ in range(3)]
    Authenticator.objects.update(
        throttling_failure_count=10, throttling_failure_timestamp=timezone.now()
    )

    assert answers == [401, 429, 429]
    assert sign_in_by_page(known, step=1) == 200
    assert Authenticator.objects.get().throttling_failure_count == 10


def test_an_attacker_with_the_password_cannot_lock_out_recovery_codes(erin: User) -> None:
    code = enrolled_codes(erin)[0]
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            services.check_second_factor(user=erin, code="wrong-wrong", address="198.51.100.1")
    Authenticator.objects.update(
        throttling_failure_count=10, throttling_failure_timestamp=timezone.now()
    )

    services.check_second_factor(user=erin, code=code, address="203.0.113.9")


def test_wrong_codes_of_a_known_device_slow_only_that_device(alice: User) -> None:
    known = Client()
    assert sign_in_by_page(known) == 200
    sign_out(known)
    known.post("/sign-in", {"username": "alice", "password": PASSWORD})
    answers = [known.post("/sign-in/code", {"code": "000000"}).status_code for _ in range(2)]

    assert answers == [401, 429]
    assert sign_in_by_page(Client(), step=1) == 200


def test_a_known_device_has_a_budget_too(alice: User) -> None:
    known = Client()
    assert sign_in_by_page(known) == 200
    sign_out(known)

    tries = [
        known.post("/sign-in", {"username": "alice", "password": "wrong"}).status_code
        for _ in range(sign_in_limits.TRIES_PER_DEVICE.tries + 1)
    ]

    assert tries == [401] * sign_in_limits.TRIES_PER_DEVICE.tries + [429]
    assert sign_in_by_page(Client(REMOTE_ADDR="203.0.113.5"), step=1) == 200


@pytest.mark.parametrize("is_known", [True, False])
def test_a_right_password_costs_a_bounded_number_of_hashes(
    alice: User, bob: User, is_known: bool
) -> None:
    """An attacker with a right password can neither occupy every CPU, nor lock out others at that
    address or with that name.
    """
    flooding, owner = (services.remember(user=alice, secret="", whence=HERE) for _ in range(2))
    right = {"username": "alice", "password": PASSWORD, "address": "2001:db8::1"}
    secret = flooding if is_known else ""
    for _ in range(sign_in_limits.HASHES.tries):
        services.check_password(**right, device_secret=secret)

    for _ in range(2 * sign_in_limits.TRIES_PER_USER.tries):
        with pytest.raises(Throttled):
            services.check_password(**right, device_secret=secret)

    services.check_password(**right, device_secret=owner)
    services.check_password(**{**right, "username": "bob"})
    services.check_password(**{**right, "address": "2001:db8:0:1::1"})


@pytest.mark.parametrize(
    "secret", ["", "x", "Ü" * 5000, "\ud800", "' OR 1=1", "a\0b"], ids=range(6)
)
def test_an_invented_device_secret_is_unknown(alice: User, secret: str) -> None:
    attack_the_name("alice")

    with pytest.raises(Throttled):
        services.check_password(
            username="alice", password=PASSWORD, address="192.0.2.7", device_secret=secret
        )


def test_a_device_is_not_known_for_another_person(alice: User, bob: User) -> None:
    known_of_bob = Client()
    assert sign_in_by_page(known_of_bob, "bob") == 200
    sign_out(known_of_bob)

    attack_the_name("alice")

    assert sign_in_by_page(known_of_bob, "alice") == 429


def test_a_shared_browser_is_known_for_both_people(alice: User, bob: User) -> None:
    shared = Client()
    assert sign_in_by_page(shared, "alice") == 200
    sign_out(shared)
    assert sign_in_by_page(shared, "bob") == 200
    sign_out(shared)
    attack_the_name("alice")
    attack_the_name("bob")

    assert sign_in_by_page(shared, "alice", step=1) == 200
    sign_out(shared)
    assert sign_in_by_page(shared, "bob", step=1) == 200


def test_the_secret_changes_with_each_sign_in_and_the_previous_one_still_counts(
    alice: User,
) -> None:
    first = services.remember(user=alice, secret="", whence=HERE)
    second = services.remember(user=alice, secret=first, whence=HERE)
    again = services.remember(user=alice, secret=first, whence=HERE)
    third = services.remember(user=alice, secret=again, whence=HERE)

    assert len({first, second, again, third}) == 4
    attack_the_name("alice")
    for secret, status in ((third, None), (again, None), (first, 429), (second, 429)):
        sign_in: dict[str, Any] = {
            "username": "alice",
            "password": PASSWORD,
            "address": "192.0.2.7",
        }
        if status is None:
            services.check_password(**sign_in, device_secret=secret)
        else:
            with pytest.raises(Throttled):
                services.check_password(**sign_in, device_secret=secret)
    assert KnownDevice.objects.count() == 1


def test_a_device_is_forgotten_after_half_a_year_and_the_oldest_makes_room(alice: User) -> None:
    secrets = [services.remember(user=alice, secret="", whence=HERE) for _ in range(3)]
    KnownDevice.objects.filter(digest=KnownDevice.digest_of(secrets[0])).update(
        last_used_at=timezone.now() - KNOWN_FOR - timedelta(seconds=1)
    )
    attack_the_name("alice")

    with pytest.raises(Throttled):
        services.check_password(
            username="alice", password=PASSWORD, address="192.0.2.7", device_secret=secrets[0]
        )
    for _ in range(MAX_KNOWN_DEVICES_PER_USER):
        services.remember(user=alice, secret="", whence=HERE)
    assert KnownDevice.objects.count() == MAX_KNOWN_DEVICES_PER_USER
    assert not KnownDevice.objects.filter(digest=KnownDevice.digest_of(secrets[1])).exists()


def test_the_cookie_is_http_only_and_holds_nothing_saved_in_the_database(
    alice: User, settings: Any
) -> None:
    settings.SESSION_COOKIE_SECURE = True
    browser = Client()
    sign_in_by_page(browser)

    cookie = browser.cookies[COOKIE]
    assert cookie["httponly"]
    assert cookie["secure"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/"
    assert int(cookie["max-age"]) == KNOWN_FOR.total_seconds()
    assert cookie.value not in str(KnownDevice.objects.values().get())


@pytest.mark.parametrize("name", ["alice", "nobody-of-that-name"])
def test_unknown_and_known_names_are_slowed_alike(alice: User, name: str) -> None:
    answers = [
        stranger(number).post("/sign-in", {"username": name, "password": "wrong"}).status_code
        for number in range(sign_in_limits.TRIES_PER_USER.tries + 1)
    ]

    assert answers == [401] * sign_in_limits.TRIES_PER_USER.tries + [429]


def test_unknown_names_leave_only_counters_that_expire(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, float | None] = {}
    add = cache.add

    def noting(key: str, value: object, timeout: float | None = None) -> bool:
        kept[key] = timeout
        return add(key, value, timeout=timeout)

    monkeypatch.setattr(cache, "add", noting)
    for number in range(50):
        stranger(number).post("/sign-in", {"username": "x" * 150 + str(number), "password": "y"})
        stranger(number).post("/sign-in", {"username": f"name{number}", "password": "y"})

    # One of them bounds the entries in the audit of the portal.
    assert len(kept) == 151
    assert all(timeout is not None and 0 < timeout <= 300 for timeout in kept.values())
    assert max(map(len, kept)) < 100
    assert KnownDevice.objects.count() == 0


def test_a_program_that_forgets_its_secret_evicts_no_browser(alice: User) -> None:
    browser = services.remember(user=alice, secret="", whence=HERE)
    for _ in range(MAX_KNOWN_DEVICES_PER_USER + 5):
        services.issue_token(user=alice, device_name="cron")

    assert KnownDevice.objects.filter(is_program=True).count() == MAX_KNOWN_DEVICES_PER_USER
    assert KnownDevice.objects.filter(digest=KnownDevice.digest_of(browser)).exists()
