from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from portal.accounts import services, tasks
from portal.accounts.models import ApiToken, KnownDevice, User
from portal.accounts.services.known_devices import KNOWN_FOR
from portal.accounts.services.sessions import PASSWORD_ONLY_SESSION
from tests.factories import PASSWORD, app_code


def test_a_session_changes_its_key_at_each_step_and_ends_at_a_fixed_time(
    alice: User, settings: Any
) -> None:
    browser = Client()
    browser.post("/sign-in", {"username": "alice", "password": PASSWORD})
    first = browser.session
    assert first.get_expiry_date() <= timezone.now() + PASSWORD_ONLY_SESSION

    browser.post("/sign-in/code", {"code": app_code()})

    second = browser.session
    assert first.session_key != second.session_key
    assert not Session.objects.filter(session_key=first.session_key).exists()
    end = second.get_expiry_date()
    assert timedelta(hours=11, minutes=59) < end - timezone.now() <= timedelta(hours=12)
    assert browser.get("/api/v1/me").status_code == 200


def test_signing_out_ends_the_session(alice: User) -> None:
    browser = Client()
    browser.post("/sign-in", {"username": "alice", "password": PASSWORD})
    browser.post("/sign-in/code", {"code": app_code()})

    browser.post("/sign-out")

    assert browser.get("/api/v1/me").status_code == 401
    assert not Session.objects.exists()


def test_ended_sessions_are_deleted(alice: User) -> None:
    services.issue_token(user=alice, device_name="old")
    ApiToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    services.issue_token(user=alice, device_name="new")
    latest = KnownDevice.objects.latest("pk")
    KnownDevice.objects.exclude(pk=latest.pk).update(last_used_at=timezone.now() - KNOWN_FOR)

    tasks.prune()

    assert ApiToken.objects.get().device_name == "new"
    assert KnownDevice.objects.get() == latest
