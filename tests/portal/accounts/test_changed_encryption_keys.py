"""PORTAL_ENCRYPTION_KEYS was replaced, so no saved secret can be decrypted."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.test import Client
from rest_framework.test import APIClient

from portal.accounts.models import User
from portal.accounts.services import renew_recovery_codes
from portal.core.errors import SecretUnreadable
from portal.providers.models import Subscription
from portal.signaling.connection_settings import load_connection_settings
from tests.factories import PASSWORD, UserFactory, app_code
from tests.portal.accounts.enrolling import shown_key


@pytest.fixture(autouse=True)
def replaced_keys(alice: User, acme_northgate: Subscription, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]


def signing_in() -> Client:
    browser = Client()
    browser.post("/sign-in", {"username": "alice", "password": PASSWORD})
    return browser


def test_the_code_page_says_that_sign_in_is_not_possible_and_names_the_way_in(alice: User) -> None:
    answer = signing_in().post("/sign-in/code", {"code": app_code()})

    page = answer.content.decode()
    assert answer.status_code == 503
    assert "not possible now" in page
    assert "A recovery code works." in page
    assert '<details class="fold" open>' in page
    assert re.search('id="recovery"[^>]* autofocus', page)
    assert not re.search('id="otp"[^>]* autofocus', page)
    assert "PORTAL_ENCRYPTION_KEYS" not in page


def test_the_log_names_the_setting_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    browser = signing_in()

    with caplog.at_level(logging.ERROR, logger="portal.core.secrets"):
        for _ in range(3):
            browser.post("/sign-in/code", {"code": app_code()})

    [record] = [one for one in caplog.records if one.name == "portal.core.secrets"]
    assert "PORTAL_ENCRYPTION_KEYS" in record.getMessage()


def test_the_api_answers_with_a_problem() -> None:
    answer = APIClient().post(
        "/api/v1/auth/token",
        {"username": "alice", "password": PASSWORD, "otp": app_code(), "device_name": "phone"},
    )

    assert answer.status_code == 503
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "secret-unreadable"
    assert "A recovery code works." in answer.json()["detail"]


def test_tries_that_were_not_checked_do_not_block_the_recovery_code(alice: User) -> None:
    (recovery_code, *_) = renew_recovery_codes(user=alice)
    browser = signing_in()
    answers = {browser.post("/sign-in/code", {"code": app_code()}).status_code for _ in range(25)}

    signed_in = browser.post("/sign-in/code", {"recovery_code": recovery_code})

    assert answers == {503}
    assert signed_in.status_code == 302


def test_a_page_that_shows_a_key_shows_a_new_one(settings: Any) -> None:
    UserFactory.create(username="mo")
    browser = Client()
    browser.post("/sign-in", {"username": "mo", "password": PASSWORD})
    before = shown_key(browser)

    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]

    assert shown_key(browser) != before


def test_the_settings_of_a_session_are_not_readable(acme_northgate: Subscription) -> None:
    with pytest.raises(SecretUnreadable):
        load_connection_settings(acme_northgate.pk)
