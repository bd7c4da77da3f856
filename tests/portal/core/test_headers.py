"""The headers of every answer for browsers and caches."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.test import Client

from portal.accounts.models import User
from portal.mitigations.models import MitigationRequest
from tests import routes
from tests.conftest import ClientOf
from tests.factories import PASSWORD, app_code

asked = routes.asked


def test_no_cache_stores_a_page_call_report_or_download(
    alice: User, mo: User, asked: MitigationRequest, client_of: ClientOf
) -> None:
    browsers = {False: client_of(alice), True: client_of(mo)}

    for name, _ in routes.named_routes():
        if name.startswith("staff:") or "(" in name:
            continue
        try:
            url = routes.url_of(name, asked.pk)
        except (KeyError, ValueError):
            # Django's own pages of single rows.
            continue
        for headers in ({}, {"HX-Request": "true"}):
            answer = browsers[name.startswith("admin:")].get(url, headers=headers)
            assert "no-store" in answer["Cache-Control"], name
            assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
            assert "camera=()" in answer["Permissions-Policy"]


@pytest.mark.parametrize("path", ["/healthz", "/no-such-page", "/api/v1/no-such-call", "/sign-in"])
def test_no_cache_stores_an_anonymous_answer(db: None, path: str) -> None:
    assert "no-store" in Client().get(path)["Cache-Control"]


def test_caches_may_store_static_files(db: None) -> None:
    answer = Client().get("/static/css/portal.css")
    answer.close()

    assert "no-store" not in answer.get("Cache-Control", "")
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"


def test_signing_out_clears_browser_storage_but_no_cookies_of_sibling_hosts(
    alice: User, client_of: ClientOf
) -> None:
    browser = client_of(alice)

    answer = browser.post("/sign-out")

    assert answer["Clear-Site-Data"] == '"cache", "storage"'


def test_cookies_over_https_are_limited_to_this_host() -> None:
    shown = (
        "from django.conf import settings as s; print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, "
        "s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SESSION_COOKIE_PATH, "
        "s.SESSION_COOKIE_DOMAIN)"
    )  # fmt: skip
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings", "PORTAL_HTTPS": "1"}

    said = subprocess.run(
        [sys.executable, "-c", shown], env=environment, capture_output=True, text=True, check=True
    )

    assert said.stdout.split() == [
        "__Host-sessionid",
        "__Host-csrftoken",
        "True",
        "True",
        "/",
        "None",
    ]


def test_scripts_cannot_read_cookies(alice: User) -> None:
    browser = Client()

    browser.get("/sign-in")
    browser.post("/sign-in", {"username": "alice", "password": PASSWORD})
    browser.post("/sign-in/code", {"code": app_code()})

    assert browser.cookies.keys() == {"csrftoken", "sessionid", "known-device"}
    for cookie in browser.cookies.values():
        assert cookie["httponly"], cookie.key
        assert cookie["samesite"] == "Lax", cookie.key
        assert cookie["path"] == "/", cookie.key
        assert not cookie["domain"], cookie.key
