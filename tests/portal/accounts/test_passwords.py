from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from django.contrib.auth import hashers
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.accounts import services
from portal.accounts.hashers import Argon2
from portal.accounts.models import (
    User,
)
from portal.accounts.services import sign_in_limits
from portal.core.errors import InvalidCredentials, PortalError, Throttled
from portal.core.throttle import Limit
from tests.factories import PASSWORD, UserFactory

ADDRESS = "192.0.2.1"


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("erin", "wrong"),
        ("nobody", PASSWORD),
        ("Erin\0", PASSWORD),
        ("e" * 151, PASSWORD),
        ("erin", "x" * 1025),
    ],
)
def test_every_wrong_part_has_the_same_answer(erin: User, username: str, password: str) -> None:
    with pytest.raises(InvalidCredentials) as caught:
        services.check_password(username=username, password=password, address=ADDRESS)

    assert caught.value.message == "The name, password or code did not match."


def test_an_unknown_name_costs_as_much_as_a_known_one(
    erin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    hasher = hashers.MD5PasswordHasher
    encode = hasher.encode

    def counting(self: Any, password: str, salt: str) -> str:
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(hasher, "encode", counting)
    for username in ("erin", "nobody"):
        with pytest.raises(InvalidCredentials):
            services.check_password(username=username, password="wrong", address=ADDRESS)

    assert hashed == ["wrong", "wrong"]


def test_a_wrong_password_is_hashed_in_every_way_in_use_for_any_name(
    erin: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PASSWORD_HASHERS = [
        "portal.accounts.hashers.Argon2",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    UserFactory.create(username="new")
    User.objects.filter(username="new").update(
        password=hashers.make_password(PASSWORD, hasher="argon2")
    )
    used: list[str] = []
    for hasher in (Argon2, hashers.MD5PasswordHasher):
        monkeypatch.setattr(hasher, "encode", counting(hasher, used))
        monkeypatch.setattr(hasher, "verify", counting(hasher, used))
    ways = {}
    for username in ("erin", "new", "nobody"):
        used.clear()
        with pytest.raises(InvalidCredentials):
            services.check_password(username=username, password="wrong", address=ADDRESS)
        ways[username] = sorted(used)

    assert ways == {username: ["argon2", "md5"] for username in ways}
    User.objects.exclude(username="new").delete()
    used.clear()
    with pytest.raises(InvalidCredentials):
        services.check_password(username="nobody", password="wrong", address=ADDRESS)
    assert used == ["argon2"]


def counting(hasher: type[hashers.BasePasswordHasher], used: list[str]) -> Any:
    def count(self: Any, password: str, salt: str) -> Any:
        used.append(str(hasher.algorithm))
        return False if "$" in salt else f"{hasher.algorithm}$none"

    return count


def test_a_hash_of_an_older_release_is_replaced_at_the_sign_in(erin: User, settings: Any) -> None:
    settings.PASSWORD_HASHERS = [
        "portal.accounts.hashers.Argon2",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    before = User.objects.get(pk=erin.pk)
    assert before.password.startswith("md5$")

    services.check_password(username="erin", password=PASSWORD, address=ADDRESS)

    after = User.objects.get(pk=erin.pk)
    assert after.password.startswith("argon2$argon2id$v=19$m=65536,t=3,p=4$")
    assert after.access_epoch == before.access_epoch, "the person's tokens go on"
    assert after.check_password(PASSWORD)


def test_an_unknown_name_takes_as_many_queries_as_a_known_one(
    erin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    UserFactory.create(username="left", is_active=False)
    nobody_s = UserFactory.create(username="no-password")
    nobody_s.set_unusable_password()
    nobody_s.save()
    names = ["erin", "nobody", "left", "no-password"]
    slowed = Limit(name="x", tries=0, window_s=60, message="Too many.")
    asked: list[set[int]] = []
    for limit in (sign_in_limits.TRIES_PER_USER, slowed):
        monkeypatch.setattr(sign_in_limits, "TRIES_PER_USER", limit)
        counts = set()
        for name in names:
            with CaptureQueriesContext(connection) as queries, suppress(PortalError):
                services.check_password(username=name, password="wrong", address=ADDRESS)
            counts.add(len(queries))
        asked.append(counts)

    # The last five record the refusal.
    assert asked == [{3 + 5}, {1 + 5}]


def test_an_inactive_person_cannot_sign_in(erin: User) -> None:
    User.objects.update(is_active=False)

    with pytest.raises(InvalidCredentials):
        services.check_password(username="erin", password=PASSWORD, address=ADDRESS)


@pytest.mark.parametrize("limit", ["TRIES_PER_ADDRESS", "TRIES_PER_USER"])
def test_attempts_are_limited_per_address_and_per_name(
    erin: User, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(
        sign_in_limits, limit, Limit(name="x", tries=2, window_s=60, message="Too many.")
    )
    for _ in range(2):
        with pytest.raises(InvalidCredentials):
            services.check_password(username="erin", password="wrong", address=ADDRESS)

    with pytest.raises(Throttled):
        services.check_password(username="erin", password=PASSWORD, address=ADDRESS)


def test_successful_sign_ins_do_not_count_as_attempts(
    erin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = Limit(name="x", tries=1, window_s=60, message="Too many.")
    monkeypatch.setattr(sign_in_limits, "TRIES_PER_ADDRESS", limit)

    for _ in range(3):
        services.check_password(username="erin", password=PASSWORD, address=ADDRESS)
