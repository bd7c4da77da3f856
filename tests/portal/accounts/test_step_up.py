"""A fresh second factor: which credential has one, and how it gets one."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone
from rest_framework.test import APIClient

from portal.accounts import services
from portal.accounts.models import ApiToken, User
from portal.accounts.services.sessions import note_factor
from portal.accounts.services.step_up import FRESH_FOR, Credential
from portal.core.errors import FreshFactorRequired, InvalidCredentials
from tests.conftest import ApiOf, ClientOf
from tests.factories import app_code

URL = "/api/v1/auth/step-up"
ADDRESS = "192.0.2.1"


def session_of_age(age_s: float) -> Credential:
    session = SessionStore()
    note_factor(session)
    session["factor_at"] -= age_s
    return session


def token_of_age(age_s: float) -> Credential:
    return ApiToken(factor_at=timezone.now() - timedelta(seconds=age_s))


MAKERS = {"session": session_of_age, "token": token_of_age}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    ("age_s", "is_fresh"), [(1, True), (290, True), (301, False), (-60, False)]
)
def test_a_factor_is_fresh_for_five_minutes(kind: str, age_s: int, is_fresh: bool) -> None:
    credential = MAKERS[kind](age_s)

    if is_fresh:
        services.require_fresh_factor(credential)
    else:
        with pytest.raises(FreshFactorRequired):
            services.require_fresh_factor(credential)


@pytest.mark.parametrize("never", [SessionStore(), ApiToken()], ids=["session", "token"])
def test_a_credential_of_an_earlier_release_has_no_fresh_factor(never: Credential) -> None:
    with pytest.raises(FreshFactorRequired):
        services.require_fresh_factor(never)


def test_a_code_makes_a_session_fresh_and_a_wrong_one_does_not(alice: User) -> None:
    old = session_of_age(600)

    with pytest.raises(InvalidCredentials):
        services.step_up(credential=old, user=alice, code="x", address=ADDRESS)
    with pytest.raises(FreshFactorRequired):
        services.require_fresh_factor(old)
    until = services.step_up(credential=old, user=alice, code=app_code(), address=ADDRESS)

    services.require_fresh_factor(old)
    assert until - timezone.now() <= FRESH_FOR


def test_a_token_gets_a_fresh_factor_for_itself_alone(alice: User, api_of: ApiOf) -> None:
    phone, tablet = api_of(alice), api_of(alice)
    old = timezone.now() - timedelta(hours=1)
    ApiToken.objects.update(factor_at=old)

    answer = phone.post(URL, {"otp": app_code()}, format="json")

    assert answer.status_code == 200
    assert sorted(ApiToken.objects.values_list("factor_at", flat=True))[0] == old
    assert ApiToken.objects.filter(factor_at__gt=old).count() == 1
    refused = tablet.post(URL, {"otp": app_code()}, format="json")
    assert refused.status_code == 400, "the code was used"
    assert refused.json()["errors"][0]["code"] == "code-mismatch"


def test_the_session_of_a_page_gets_a_fresh_factor(alice: User, client_of: ClientOf) -> None:
    browser = client_of(alice)
    session = browser.session
    session["factor_at"] = time.time() - 3600
    session.save()

    answer = browser.post(URL, {"otp": app_code()}, content_type="application/json")

    assert answer.status_code == 200
    services.require_fresh_factor(browser.session)


def test_an_anonymous_call_cannot_step_up(db: None) -> None:
    assert APIClient().post(URL, {"otp": app_code()}, format="json").status_code == 401
