from __future__ import annotations

from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from portal.asgi import application
from portal.core.body_limits import MAX_BODY_BYTES, MAX_SIGN_IN_BODY_BYTES

pytestmark = pytest.mark.django_db(transaction=True)


async def status_of(
    chunks: list[bytes],
    *headers: tuple[bytes, bytes],
    content_type: bytes = b"application/json",
    path: str = "/api/v1/auth/token",
) -> int:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"testserver"), (b"content-type", content_type), *headers],
        "client": ("127.0.0.1", 1),
    }
    call = ApplicationCommunicator(application, scope)
    for position, chunk in enumerate(chunks, start=1):
        await call.send_input(
            {"type": "http.request", "body": chunk, "more_body": position < len(chunks)}
        )
    answer: dict[str, Any] = await call.receive_output(5)
    while (await call.receive_output(5)).get("more_body"):
        pass
    await call.wait(5)
    return int(answer["status"])


DOORS = [
    ("/sign-in", MAX_SIGN_IN_BODY_BYTES),
    ("/sign-in/code", MAX_SIGN_IN_BODY_BYTES),
    ("/enrol", MAX_SIGN_IN_BODY_BYTES),
    ("/sign-out", MAX_SIGN_IN_BODY_BYTES),
    ("/api/v1/auth/token", MAX_SIGN_IN_BODY_BYTES),
    ("/api/v1/organizations/acme/mitigation-requests", MAX_BODY_BYTES),
    ("/organizations/acme/requests/new", MAX_BODY_BYTES),
    ("/admin/", MAX_BODY_BYTES),
    ("/no-such-page", MAX_BODY_BYTES),
]


@pytest.mark.parametrize(("path", "limit"), DOORS)
async def test_a_body_over_the_limit_of_its_endpoint_is_413(path: str, limit: int) -> None:
    half = b" " * (limit // 2)

    assert await status_of([half, half], path=path) != 413
    assert await status_of([half, half, b" "], path=path) == 413
    for declared in (limit + 1, 10**30, "9" * 5000):
        assert await status_of([b""], (b"content-length", f"{declared}".encode()), path=path) == 413


async def test_a_body_of_the_allowed_size_reaches_the_call() -> None:
    assert await status_of([b"{}"]) == 400


ANY_CODEC = ["rot13", "idna", "zlib", "unicode_escape", "utf-7", "utf-16", "latin-1", "utf-99", ""]


@pytest.mark.parametrize("path", ["/sign-in", "/api/v1/auth/token"])
@pytest.mark.parametrize(
    "kind",
    ["application/json", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"],
)
@pytest.mark.parametrize(
    "parameter",
    [
        *(f"charset={codec}" for codec in ANY_CODEC),
        'charset="rot13"',
        'a="b;c"; CharSet = rot13',
        "charset=utf-8; charset=zlib",
        "a*=utf-99''x",
        "charset*=utf-8''rot13",
    ],
)
async def test_an_encoding_other_than_utf_8_is_refused(
    path: str, kind: str, parameter: str
) -> None:
    field = b'--x\r\nContent-Disposition: form-data; name="username"\r\n\r\n\\ud800\r\n--x--\r\n'
    named = f"{kind}; {parameter}".encode()

    assert await status_of([field], content_type=named, path=path) == 415


@pytest.mark.parametrize("named", [b"utf-8", b"UTF-8", b'"utf-8"', b"utf8"])
async def test_a_declared_utf_8_charset_is_accepted(named: bytes) -> None:
    assert await status_of([b"{}"], content_type=b"application/json; charset=" + named) == 400
