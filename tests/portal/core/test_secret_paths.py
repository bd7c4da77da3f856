"""The log names no secret that a path or a query holds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from portal.core.logs import NoSecretPaths
from portal.web.link_words import WORD

SECRET: Final = "kZ3v_9Qy7-wUe2nB5tR8mA1sD4fG6hJ0"


def routes(resolver: URLResolver, before: str = "/") -> Iterator[str]:
    for one in resolver.url_patterns:
        path = before + str(one.pattern)
        match one:
            case URLResolver():
                yield from routes(one, path)
            case URLPattern():
                yield path


def logged(path: str) -> str:
    line = logging.LogRecord(
        "uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d',
        ("192.0.2.1", "GET", path, "1.1", 200), None,
    )  # fmt: skip
    NoSecretPaths().filter(line)
    return line.getMessage()


def test_the_word_of_every_mailed_link_is_hidden() -> None:
    with_word = [path.replace(WORD, SECRET) for path in routes(get_resolver()) if WORD in path]

    assert len(with_word) >= 3
    assert [path for path in with_word if SECRET in logged(f"{path}?x=1")] == []


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/invitations/{SECRET}?x=1", "/invitations/…?x=1"),
        (f"/api/v1/alerts/7?key={SECRET}&x=1", "/api/v1/alerts/7?key=…&x=1"),
        (f"/answer?code={SECRET}%2F&state={SECRET}", "/answer?code=…&state=…"),
        ("/me/email/short", "/me/email/short"),
        ("/organizations/acme/?filter=code", "/organizations/acme/?filter=code"),
    ],
)
def test_only_the_secret_is_hidden(path: str, shown: str) -> None:
    assert logged(path) == f'192.0.2.1 - "GET {shown} HTTP/1.1" 200'


def test_a_value_without_a_secret_keeps_its_type() -> None:
    line = logging.LogRecord("portal", logging.INFO, "", 0, "%d of %r", (3, None), None)

    NoSecretPaths().filter(line)

    assert line.args == (3, None)
