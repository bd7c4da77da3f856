from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from portal.accounts.models import User
from portal.core import errors, middleware
from tests.conftest import ClientOf

POLICY = {
    "default-src 'none'",
    "style-src 'self'",
    "script-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "object-src 'none'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "manifest-src 'self'",
    "worker-src 'self'",
}


def test_health_is_public_under_any_host_name(db: None) -> None:
    answer = Client().get("/healthz", headers={"host": "10.0.0.1"})

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_health_without_the_database_is_503(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def cursor(self) -> None:
            raise DatabaseError("gone")

    monkeypatch.setattr(middleware, "connection", Gone())

    assert Client().get("/healthz").status_code == 503


@pytest.mark.parametrize("path", ["/sign-in", "/api/v1/me", "/no-such-page"])
def test_every_answer_carries_the_policy(db: None, path: str) -> None:
    policy = Client().get(path)["Content-Security-Policy"]

    assert set(policy.split("; ")) == POLICY


def test_a_portal_error_is_a_page(bob: User, client_of: ClientOf) -> None:
    answer = client_of(bob).get("/organizations/acme/requests/new")

    assert answer.status_code == 403
    assert "text/html" in answer["Content-Type"]


def test_a_throttled_page_says_when_to_retry() -> None:
    def page(request: HttpRequest) -> HttpResponse:
        raise AssertionError("not called")

    pages = middleware.ErrorPages(page)
    error = errors.Throttled("Too many tries. Try again in 30 s.", retry_after_s=30)

    answer = pages.process_exception(_request(), error)

    assert answer is not None
    assert (answer.status_code, answer["Retry-After"]) == (429, "30")
    assert pages.process_exception(_request(), ValueError()) is None


def _request() -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    request.session = SessionStore()
    return request


def test_a_missing_organization_looks_like_another_tenants(
    charlie: User, acme: object, client_of: ClientOf
) -> None:
    browser = client_of(charlie)

    unknown = browser.get("/organizations/nowhere/")
    foreign = browser.get("/organizations/acme/")

    assert (unknown.status_code, foreign.status_code) == (404, 404)
    masked = rb'name="csrfmiddlewaretoken" value="[^"]+"'
    first, second = (re.sub(masked, b"", one.content) for one in (unknown, foreign))
    assert first.replace(b"nowhere", b"acme") == second


def test_error_codes_are_unique() -> None:
    def tree(kind: type[errors.PortalError]) -> list[type[errors.PortalError]]:
        return [kind, *(one for inner in kind.__subclasses__() for one in tree(inner))]

    kinds = [kind for kind in tree(errors.PortalError) if kind.__module__ == errors.__name__]
    codes = [kind.code for kind in kinds]

    assert len(codes) == len(set(codes))


def test_cookies_are_limited_to_https_and_same_site(settings: Any) -> None:
    assert settings.SESSION_COOKIE_HTTPONLY
    assert settings.SESSION_COOKIE_SAMESITE == "Lax"
    assert settings.SESSION_COOKIE_AGE == 12 * 3600
