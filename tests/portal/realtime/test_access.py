"""Which credentials a handshake may use, and which page sent them."""

from __future__ import annotations

from typing import Any

import pytest

from portal.core.errors import NotSignedIn
from portal.realtime.access import Credential, credential_of

COOKIE = {"cookie": "theme=dark; sessionid=k3y"}
OWN = {**COOKIE, "host": "portal.example", "origin": "https://portal.example"}


def scope(headers: dict[str, str]) -> dict[str, Any]:
    return {"headers": [(name.encode(), value.encode()) for name, value in headers.items()]}


@pytest.fixture(autouse=True)
def _hosts(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["portal.example", ".portal.example", "[2001:db8::1]"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://other.example"]


@pytest.mark.parametrize("presented", ["Bearer t0ken", "bearer t0ken", "BEARER  t0ken "])
def test_a_token_is_the_credential_from_any_origin(presented: str) -> None:
    headers = {**COOKIE, "origin": "https://evil.example", "authorization": presented}

    assert credential_of(scope(headers)) == Credential(token="t0ken")


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"authorization": "Basic t0ken"},
        {"origin": "http://portal.example"},
        {"origin": "https://Portal.Example", "host": "PORTAL.example"},
        {"origin": "https://portal.example:8443", "host": "portal.example:8443"},
        {"origin": "https://eu.portal.example", "host": "eu.portal.example"},
        {"origin": "https://[2001:db8::1]:8443", "host": "[2001:db8::1]:8443"},
        # Staff listed it, whatever name the proxy passes on.
        {"origin": "https://other.example", "host": "10.0.0.1"},
    ],
)
def test_the_cookie_counts_from_a_page_of_the_portal(changed: dict[str, str]) -> None:
    assert credential_of(scope({**OWN, **changed})) == Credential(session_key="k3y")


@pytest.mark.parametrize(
    "changed",
    [
        {"cookie": ""},
        {"cookie": "theme=dark"},
        {"cookie": "sessionid="},
        {"origin": ""},
        {"origin": "null"},
        {"origin": "portal.example"},
        {"origin": "ftp://portal.example"},
        {"origin": "https://evil.example"},
        {"origin": "https://portal.example:8443"},
        {"origin": "https://portal.example.evil.example"},
        {"origin": "https://a.example", "host": "z.example"},
        {"origin": "https://z.example", "host": "a.example"},
        {"origin": "https://[2001:db8::1", "host": "[2001:db8::1"},
        # The name of another host that leads here.
        {"origin": "https://evil.example", "host": "evil.example"},
        {"origin": "https://[2001:db8::2]", "host": "[2001:db8::2]"},
        {"host": ""},
    ],
)
def test_the_cookie_does_not_count_from_another_page(changed: dict[str, str]) -> None:
    with pytest.raises(NotSignedIn):
        credential_of(scope({**OWN, **changed}))


@pytest.mark.parametrize(
    "host", ["localhost:8000", "acme.localhost", "127.0.0.1:8000", "[::1]:8000"]
)
@pytest.mark.parametrize("is_development", [True, False])
def test_without_configured_hosts_only_a_development_server_is_on_this_machine(
    settings: Any, host: str, is_development: bool
) -> None:
    settings.ALLOWED_HOSTS, settings.DEBUG = [], is_development
    page = scope({**COOKIE, "host": host, "origin": f"http://{host}"})

    if is_development:
        assert credential_of(page) == Credential(session_key="k3y")
    else:
        with pytest.raises(NotSignedIn):
            credential_of(page)


def test_a_credential_does_not_show_itself() -> None:
    assert "s3cret" not in repr(Credential(token="s3cret", session_key="s3cret"))


@pytest.mark.parametrize("headers", [OWN, {"authorization": "Bearer t0ken"}])
def test_a_socket_needs_tls_where_the_pages_do(headers: dict[str, str], settings: Any) -> None:
    settings.HTTPS = True

    for scheme in ("ws", ""):
        with pytest.raises(NotSignedIn):
            credential_of({**scope(headers), "scheme": scheme})
    assert credential_of({**scope(headers), "scheme": "wss"})
