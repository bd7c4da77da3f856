"""The mail about a sign-in on a device that the portal did not know."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts import services
from portal.accounts.models import KnownDevice, User
from portal.accounts.services.known_devices import KNOWN_FOR
from tests.factories import PASSWORD, app_code
from tests.portal.organizations.mails import mails_to

EMAIL = "alice@example.com"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
THERE = "198.51.100.7"
TOKEN = "/api/v1/auth/token"


@pytest.fixture(autouse=True)
def _addressed(alice: User, settings: Any) -> None:
    settings.PORTAL_ADDRESS = "https://portal.example"
    User.objects.filter(pk=alice.pk).update(email=EMAIL, time_zone="Europe/Prague")


def browser() -> Client:
    return Client(headers={"User-Agent": FIREFOX}, REMOTE_ADDR=THERE)


def sign_in(client: Client, step: int = 0, username: str = "alice") -> None:
    client.post("/sign-in", {"username": username, "password": PASSWORD})
    answer = client.post("/sign-in/code", {"code": app_code(steps=step)})
    assert answer.status_code == 302


def test_a_new_browser_is_mailed_with_its_name_time_and_address(alice: User) -> None:
    sign_in(browser())

    [mail] = mails_to(EMAIL)
    assert mail.startswith("New sign-in: Firefox on Linux\n")
    assert "Device: Firefox on Linux\n" in mail
    assert f"Address: {THERE}\n" in mail
    assert " CET\n" in mail
    assert "https://portal.example/me/sessions\n" in mail


def test_a_known_browser_is_not_mailed_again(alice: User) -> None:
    client = browser()
    sign_in(client, -1)
    client.post("/sign-out")

    sign_in(client)

    assert len(mails_to(EMAIL)) == 1


def test_a_browser_whose_last_answer_was_lost_is_known(alice: User) -> None:
    client = browser()
    sign_in(client, -1)
    cookies = dict(client.cookies)
    client.post("/sign-out")
    sign_in(client)
    lost = browser()
    lost.cookies["known-device"] = cookies["known-device"].value

    sign_in(lost, 1)

    assert len(mails_to(EMAIL)) == 1


def test_a_browser_that_was_not_used_for_long_is_new(alice: User) -> None:
    client = browser()
    sign_in(client, -1)
    client.post("/sign-out")
    KnownDevice.objects.update(last_used_at=timezone.now() - KNOWN_FOR)

    sign_in(client)

    assert len(mails_to(EMAIL)) == 2


def test_the_browser_of_another_person_is_new(alice: User, bob: User) -> None:
    client = browser()
    sign_in(client, username="bob")
    client.post("/sign-out")
    assert mails_to(EMAIL) == []

    sign_in(client)

    assert len(mails_to(EMAIL)) == 1


def test_a_wrong_code_is_no_sign_in(alice: User) -> None:
    client = browser()
    client.post("/sign-in", {"username": "alice", "password": PASSWORD})
    client.post("/sign-in/code", {"code": "000000"})

    assert mails_to(EMAIL) == []


def test_an_app_is_mailed_by_its_name_and_only_once(alice: User) -> None:
    client = browser()
    form = {"username": "alice", "password": PASSWORD, "device_name": "Night phone"}
    first = client.post(TOKEN, form | {"otp": app_code(steps=-1)}, "application/json")

    again = form | {"otp": app_code(), "device_token": first.json()["device_token"]}
    assert client.post(TOKEN, again, "application/json").status_code == 201

    [mail] = mails_to(EMAIL)
    assert mail.startswith("New sign-in: Night phone\n")


def test_a_person_without_an_address_signs_in_all_the_same(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(email="")

    services.remember(
        user=User.objects.get(pk=alice.pk),
        secret="",
        whence=services.SignedInFrom("curl", THERE),
    )

    assert KnownDevice.objects.filter(user=alice).count() == 1
