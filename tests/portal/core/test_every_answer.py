"""What holds for the answer to every route and to every kind of person."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.db import connection
from django.test import Client

from portal.accounts import services
from portal.accounts.models import User
from portal.accounts.services import browsers
from portal.asgi import application
from portal.core.body_limits import MAX_BODY_BYTES
from portal.mitigations.models import MitigationRequest
from tests import routes
from tests.conftest import ClientOf, undone
from tests.permissions.api_table import API
from tests.permissions.page_table import PAGES
from tests.portal.web.test_markup import Page

asked = routes.asked

GETS = sorted({row[1] for row in [*API, *PAGES] if row[0] == "GET"})
ONE_YEAR_S = 365 * 24 * 3600
FILE_NAME = re.compile(r'attachment; filename="[\w.-]+"', re.ASCII)
NOTED = {
    "django_session",
    # Refusals and downloads.
    "audit_entry",
    # A person gets the handle that a passkey carries before the first one is added.
    "django_otp_webauthn_webauthnuserhandle",
}
WRITES = re.compile(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM) "?(\w+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one person got, and which tables the call wrote."""

    route: str
    person: str
    status: int
    headers: Mapping[str, str]
    text: str
    tables: frozenset[str]

    @property
    def kind(self) -> str:
        return self.headers.get("content-type", "")


_kept: list[Answer] = []


@pytest.fixture
def answers(
    alice: User,
    mo: User,
    asked: MitigationRequest,
    client_of: ClientOf,
    monkeypatch: pytest.MonkeyPatch,
) -> list[Answer]:
    """To every route, for a stranger, an admin and staff. Asked once: the tests only read them."""
    # Three hundred answers take longer than that on a busy machine.
    monkeypatch.setattr(browsers, "SEEN_PRECISION", timedelta(hours=1))
    people = {"anonymous": Client(), "alice": client_of(alice), "mo": client_of(mo)}
    if not _kept:
        _kept.extend(
            _asked(route, routes.url_of(route, asked.pk), person, browser)
            for route in GETS
            for person, browser in people.items()
        )
    return _kept


def _asked(route: str, url: str, person: str, browser: Client) -> Answer:
    tables: set[str] = set()
    with undone(), written(tables):
        got = browser.get(url, headers={"origin": "https://evil.example"})
    return Answer(
        route=route,
        person=person,
        status=got.status_code,
        headers={name.lower(): value for name, value in got.items()},
        text="" if got.streaming else got.content.decode(),
        tables=frozenset(tables),
    )


@contextmanager
def written(tables: set[str]) -> Iterator[None]:
    """Adds the name of each table that a statement writes."""

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if found := WRITES.match(sql):
            tables.add(found[1])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield


@pytest.mark.timeout(300)  # the first test asks for three hundred answers
def test_every_answer_says_what_it_is_and_is_for_this_site_alone(answers: list[Answer]) -> None:
    for one in answers:
        where = (one.route, one.person)
        assert one.kind or not one.text, where
        assert not one.kind.startswith("text/") or "charset=utf-8" in one.kind, where
        assert one.headers["x-content-type-options"] == "nosniff", where
        assert one.headers["referrer-policy"] == "same-origin", where
        assert one.headers["cross-origin-resource-policy"] == "same-origin", where
        assert one.headers["cross-origin-opener-policy"] == "same-origin", where
        assert "frame-ancestors 'none'" in one.headers["content-security-policy"], where
        assert "access-control-allow-origin" not in one.headers, where


@pytest.mark.timeout(300)
def test_reading_changes_nothing(answers: list[Answer]) -> None:
    assert {(one.route, one.person, one.tables) for one in answers if one.tables - NOTED} == set()


@pytest.mark.timeout(300)
def test_a_download_has_a_name_that_the_portal_chose(answers: list[Answer]) -> None:
    named = {one.route: said for one in answers if (said := one.headers.get("content-disposition"))}

    assert {route: said for route, said in named.items() if not FILE_NAME.fullmatch(said)} == {}
    assert named.keys() >= {"requests:report-text", "audit:download", "journal:download"}


@pytest.mark.timeout(300)
def test_data_that_is_no_page_is_not_shown_as_one(answers: list[Answer]) -> None:
    shown = {"", "text/html", "application/json", "application/problem+json"}

    assert {
        one.route
        for one in answers
        if one.kind.partition(";")[0] not in shown
        and not one.headers.get("content-disposition", "").startswith("attachment")
    } == {"api:schema"}  # the document of the API, which has no data of anyone


@pytest.mark.timeout(300)
def test_every_page_of_a_signed_in_person_offers_to_sign_out(answers: list[Answer]) -> None:
    elsewhere = ("api", "staff", "accounts", "single-sign-on")
    pages = [
        one
        for one in answers
        if one.person == "alice"
        and one.status == 200
        and "text/html" in one.kind
        and one.route.partition(":")[0] not in elsewhere
    ]

    assert len(pages) > 20
    for page in pages:
        forms = Page(page.text).all("form")
        assert [one for one in forms if one.get("action") == "/sign-out"], page.route


@pytest.mark.parametrize(
    "path", ["/", "/sign-in", "/api/v1/me", "/healthz", "/static/css/portal.css"]
)
def test_trace_is_not_answered(db: None, path: str) -> None:
    answer = Client().trace(path, headers={"cookie": "sessionid=secret"})

    assert answer.status_code in (302, 401, 403, 405)
    assert b"secret" not in (b"" if answer.streaming else answer.content)


@pytest.mark.parametrize("path", ["/static/", "/static/css", "/static/css/", "/static/../portal/"])
def test_no_folder_is_listed(db: None, path: str) -> None:
    assert Client().get(path).status_code == 404


def test_a_token_in_the_address_is_no_credential(alice: User) -> None:
    token = services.issue_token(user=alice, device_name="test").plain
    client = Client()

    assert client.get("/api/v1/me", headers={"authorization": f"Bearer {token}"}).status_code == 200
    for name in ("token", "access_token", "authorization", "key"):
        assert client.get(f"/api/v1/me?{name}={token}").status_code == 401


async def sent(path: str, *, scheme: str, body: bytes = b"") -> dict[str, Any]:
    """The start of the answer of the whole application."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST" if body else "GET",
        "scheme": scheme,
        "path": path,
        "query_string": b"",
        "headers": [
            (b"host", b"testserver"),
            (b"content-length", str(len(body)).encode()),
            (b"x-forwarded-proto", b"https"),
        ],
        "client": ("127.0.0.1", 1),
    }
    call = ApplicationCommunicator(application, scope)
    await call.send_input({"type": "http.request", "body": body})
    start: dict[str, Any] = await call.receive_output(5)
    while (await call.receive_output(5)).get("more_body"):
        pass
    await call.wait(5)
    headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return {"status": start["status"], **headers}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/healthz", b"", 200),
        ("/sign-in", b"", 200),
        ("/no-such-page", b"", 302),
        ("/api/v1/no-such-call", b"", 404),
        # Refused before Django reads it.
        ("/api/v1/auth/token", b" " * (MAX_BODY_BYTES + 1), 413),
    ],
)
async def test_every_answer_over_tls_keeps_browsers_on_tls(
    settings: Any, path: str, body: bytes, status: int
) -> None:
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = ONE_YEAR_S, True

    answer = await sent(path, scheme="https", body=body)

    assert answer["status"] == status
    assert answer["strict-transport-security"] == f"max-age={ONE_YEAR_S}; includeSubDomains"
    assert answer["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer["content-security-policy"]
    assert answer["referrer-policy"] == "same-origin"


def test_without_tls_a_page_is_redirected_and_a_call_refused(db: None, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True

    page = Client().get("/sign-in")
    document = Client().get("/api/v1/docs/")
    call = Client().get("/api/v1/me")

    assert (page.status_code, page["Location"]) == (301, "https://testserver/sign-in")
    assert (document.status_code, document["Location"]) == (
        301,
        "https://testserver/api/v1/docs/",
    )
    assert (call.status_code, call["Content-Type"]) == (403, "application/problem+json")
    assert call.json()["code"] == "tls-required"
    assert Client().get("/api/v1/me", secure=True).status_code == 401


def test_an_installation_keeps_browsers_on_tls_for_a_year() -> None:
    shown = (
        "from django.conf import settings as s; "
        "print(s.SECURE_SSL_REDIRECT, s.SECURE_HSTS_SECONDS, s.SECURE_HSTS_INCLUDE_SUBDOMAINS)"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings", "PORTAL_HTTPS": "1"}

    said = subprocess.run(
        [sys.executable, "-c", shown], env=environment, capture_output=True, text=True, check=True
    )

    assert said.stdout.split() == ["True", str(ONE_YEAR_S), "True"]
