from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from portal.accounts.models import User
from portal.accounts.services import enrolment, sign_in_limits
from portal.api import sign_in
from portal.core.logs import REFUSALS_PER_MINUTE, BoundedRefusals
from portal.core.security_log import MAX_FACT_LENGTH, UNBOUNDED_BY_OTHERS, SecurityEvent, record
from portal.core.throttle import Limit
from portal.organizations.models import Organization
from tests.conftest import ApiOf
from tests.factories import PASSWORD, UserFactory, app_code
from tests.portal.accounts.enrolling import shown_key

ROOT = Path(__file__).parents[3]


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The lines of the security log during the test, whatever other tests had refused in this
    minute.
    """
    kept = Kept()
    logger = logging.getLogger("portal.security")
    monkeypatch.setattr(logger, "filters", [BoundedRefusals()])
    logger.addHandler(kept)
    yield kept.lines
    logger.removeHandler(kept)


@given(st.text(st.characters(exclude_categories=())))
def test_typed_text_stays_one_readable_value(typed: str) -> None:
    kept = Kept()
    logger = logging.getLogger("portal.security")
    logger.addHandler(kept)
    try:
        record(SecurityEvent.SIGN_IN, user=typed, address="192.0.2.1")
    finally:
        logger.removeHandler(kept)

    [line] = kept.lines
    assert line.isascii()
    assert line.isprintable()
    value = json.JSONDecoder().raw_decode(line.removeprefix("sign-in user="))[0]
    assert value == typed[:MAX_FACT_LENGTH]
    assert line.endswith(' address="192.0.2.1"')


def test_each_event_is_recorded_somewhere_and_documented() -> None:
    sources = "".join(
        path.read_text()
        for path in (ROOT / "portal").rglob("*.py")
        if path.name != "security_log.py"
    )
    docs = (ROOT / "docs/operations.md").read_text()

    assert [
        event for event in SecurityEvent if not re.search(rf"Event\.{event.name}\b", sources)
    ] == []
    assert [event for event in SecurityEvent if f"`{event}`" not in docs] == []


def test_repeated_refusals_are_counted_and_nothing_else_is_dropped() -> None:
    now = 0.0
    bounded = BoundedRefusals(clock=lambda: now)

    def line(event: SecurityEvent) -> logging.LogRecord:
        record = logging.LogRecord("portal.security", logging.INFO, "", 0, "%s x", (event,), None)
        record.security_event = event
        return record

    for event in UNBOUNDED_BY_OTHERS:
        assert [bounded.filter(line(event)) for _ in range(1000)].count(True) == REFUSALS_PER_MINUTE
    assert all(bounded.filter(line(event)) for event in set(SecurityEvent) - UNBOUNDED_BY_OTHERS)

    now = 60.0
    for event in UNBOUNDED_BY_OTHERS:
        next_line = line(event)
        assert bounded.filter(next_line)
        assert next_line.getMessage() == f"{event} x left_out={1000 - REFUSALS_PER_MINUTE}"


def test_the_security_logger_is_bounded_and_keeps_its_own_level() -> None:
    logger = logging.getLogger("portal.security")

    assert any(isinstance(one, BoundedRefusals) for one in logger.filters)
    assert logger.level == logging.INFO


def test_signing_in_on_a_page_is_logged(alice: User, lines: list[str]) -> None:
    browser = Client(REMOTE_ADDR="2001:db8::7")
    browser.post("/sign-in", {"username": "alice", "password": "wrong horse"})
    browser.post("/sign-in", {"username": "my secret password", "password": "oops"})
    browser.post("/sign-in", {"username": "alice", "password": PASSWORD})
    browser.post("/sign-in/code", {"code": "000000"})
    browser.post("/sign-in/code", {"code": app_code()})

    assert lines == [
        'sign-in-refused user="alice" address="2001:db8::7" step="password"',
        'sign-in-refused user="(unknown)" address="2001:db8::7" step="password"',
        'sign-in-refused user="alice" address="2001:db8::7" step="code"',
        'sign-in-slowed user="alice" address="2001:db8::7" step="code"',
    ]


def test_signing_in_and_out_by_api_is_logged(alice: User, lines: list[str]) -> None:
    code = app_code()
    body = {"username": "alice", "password": PASSWORD, "otp": code, "device_name": "phone"}
    issued = APIClient().post("/api/v1/auth/token", body).json()
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {issued['token']}")
    api.delete("/api/v1/auth/token")

    assert lines == [
        'sign-in user="alice" address="127.0.0.1" factor="App" device="new"',
        'token-issued user="alice" device="phone" address="127.0.0.1"',
        'token-ended user="alice" device="phone" address="127.0.0.1"',
    ]
    for secret in (PASSWORD, code, issued["token"], issued["device_token"]):
        assert secret not in "".join(lines)


def test_throttled_sign_ins_are_logged(
    alice: User, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    UserFactory.create(username="eve")
    half, new = Client(), Client()
    half.post("/sign-in", {"username": "alice", "password": PASSWORD})
    new.post("/sign-in", {"username": "eve", "password": PASSWORD})
    key = shown_key(new)
    none = Limit(name="none", tries=0, window_s=60, message="Too many.")
    monkeypatch.setattr(sign_in_limits, "TRIES_PER_ADDRESS", none)
    monkeypatch.setattr(enrolment, "TRIES_PER_ADDRESS", none)
    monkeypatch.setattr(sign_in, "CALLS_PER_ADDRESS", none)
    body = {"username": "alice", "password": PASSWORD, "otp": app_code(), "device_name": "phone"}

    answers = [
        half.post("/sign-in/code", {"code": app_code()}),
        new.post("/enrol", {"code": app_code(key)}),
        half.post("/sign-in", {"username": "a\0b", "password": PASSWORD}),
        APIClient().post("/api/v1/auth/token", body),
        APIClient().post("/api/v1/auth/token", {**body, "username": "my secret password"}),
        APIClient().post("/api/v1/auth/token", {**body, "username": "alice\n"}),
        APIClient().post("/api/v1/auth/token", {}),
    ]

    assert [answer.status_code for answer in answers] == [429] * len(answers)
    assert lines == [
        f'sign-in-slowed user="{user}" address="127.0.0.1" step="{step}"'
        for user, step in [
            ("alice", "code"),
            ("eve", "enrolment"),
            ("(unknown)", "password"),
            ("alice", "password"),
            *[("(unknown)", "password")] * 3,
        ]
    ]


def test_enrolling_is_logged(db: None, lines: list[str]) -> None:
    UserFactory.create(username="eve")
    browser = Client()
    browser.post("/sign-in", {"username": "eve", "password": PASSWORD})
    browser.post("/enrol", {"code": app_code(shown_key(browser))})

    assert lines == ['factor-enrolled user="eve" address="127.0.0.1"']


def test_access_to_another_organization_is_logged(
    bob: User, globex: Organization, api_of: ApiOf, lines: list[str]
) -> None:
    api = api_of(bob)
    api.get("/api/v1/organizations/globex/readiness")
    api.post("/api/v1/organizations/acme/mitigation-requests", {})

    assert [line for line in lines if line.startswith("membership")] == [
        'membership-refused user="bob" organization="globex" role="none"',
        'membership-refused user="bob" organization="acme" role="viewer"',
    ]
