"""Answers of an identity provider, or of someone who pretends to be it, that open nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.models import User
from portal.organizations.models import Organization
from portal.sso import fetching
from portal.sso.models import FederatedIdentity, SingleSignOn
from portal.sso.refusals import Refused
from portal.sso.services import admit
from portal.sso.statements import Statements
from tests.portal.sso.conftest import begin, come_back, sign_in
from tests.portal.sso.identity_provider import Claims, IdentityProvider
from tests.portal.sso.test_sign_in import NOW, refused

CONFIGURATION = "/.well-known/openid-configuration"


@pytest.fixture(autouse=True)
def _bob(bob: User, provider: IdentityProvider) -> None:
    User.objects.filter(pk=bob.pk).update(email="bob@acme.example")
    provider.person = {
        "sub": "b-1",
        "email": "bob@acme.example",
        "email_verified": True,
        "amr": ["mfa"],
    }


def opens_nothing(
    provider: IdentityProvider, acme: Organization, why: Refused, detail: str = ""
) -> None:
    client = Client()
    got = sign_in(client, provider, acme)
    refused(got, why)
    assert detail in got.content.decode()
    assert client.get(NOW).status_code == 302
    assert not FederatedIdentity.objects.exists()


def test_an_answer_works_once(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization
) -> None:
    client = Client()
    taken_back = provider.authorize(begin(client))
    come_back(client, acme, taken_back)
    client.post("/sign-out")

    refused(come_back(client, acme, taken_back), Refused.STALE)


def test_a_code_works_once(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization
) -> None:
    taken_back = provider.authorize(begin(Client()))
    provider.codes.clear()
    client = Client()
    url = begin(client)

    state = provider.authorize(url)["state"]
    refused(come_back(client, acme, taken_back | {"state": state}), Refused.DENIED)


def test_another_browsers_answer_opens_nothing(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization
) -> None:
    taken_back = provider.authorize(begin(Client()))

    refused(come_back(Client(), acme, taken_back), Refused.STALE)


def test_another_browsers_code_opens_nothing(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization
) -> None:
    """A code that was injected does not fit the PKCE verifier of this browser."""
    stolen = provider.authorize(begin(Client()))["code"]
    client = Client()
    state = provider.authorize(begin(client))["state"]

    refused(come_back(client, acme, {"code": stolen, "state": state}), Refused.DENIED)


@pytest.mark.parametrize("state", ["", "x", "\0", "x" * 10_000])
def test_an_answer_without_our_state(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization, state: str
) -> None:
    client = Client()
    taken_back = provider.authorize(begin(client))

    refused(come_back(client, acme, taken_back | {"state": state}), Refused.STALE)


def test_an_answer_in_the_name_of_another_issuer(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization
) -> None:
    client = Client()
    taken_back = provider.authorize(begin(client)) | {"iss": "https://login.evil.example"}

    refused(come_back(client, acme, taken_back), Refused.BAD_TOKEN)


def test_settings_that_changed_meanwhile_make_the_answer_stale(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization
) -> None:
    client = Client()
    taken_back = provider.authorize(begin(client))
    SingleSignOn.objects.update(issuer="https://login.other.example")

    refused(come_back(client, acme, taken_back), Refused.STALE)


def test_settings_that_change_while_the_answer_is_checked_make_it_stale(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization
) -> None:
    SingleSignOn.objects.update(changed_at=timezone.now())
    statements = Statements(issuer=provider.issuer, subject="b-1")

    with pytest.raises(Exception, match="too old"):
        admit(sso=sso, statements=statements, address="")


def test_an_error_of_the_identity_provider_is_shown_without_its_odd_characters(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization
) -> None:
    client = Client()
    state = provider.authorize(begin(client))["state"]

    got = come_back(client, acme, {"error": "access_denied\n<b>é", "state": state})

    refused(got, Refused.DENIED)
    assert "access_denied&lt;b&gt;<" in got.content.decode()


def status(code: int, body: object = b"", **headers: str) -> Callable[[Any], None]:
    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

    return act


@pytest.mark.parametrize("path", ["/token", "/keys"])
@pytest.mark.parametrize(
    "act",
    [
        status(302, Location="http://169.254.169.254/"),
        status(200, b"x" * (fetching.MAX_BODY_BYTES + 1)),
        status(200, b"no JSON"),
        status(200, b"[" * 50_000),
        status(200, ["a list"]),
        status(200, {}),
        status(404, {"error": "not here"}),
        status(503, b"down"),
    ],
)
def test_answers_that_are_not_what_the_standard_says(
    sso: SingleSignOn,
    provider: IdentityProvider,
    acme: Organization,
    path: str,
    act: Callable[[Any], None],
) -> None:
    provider.answers[path] = act
    client = Client()

    got = sign_in(client, provider, acme)

    assert got.status_code == 403
    assert client.get(NOW).status_code == 302


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://login.evil.example"},
        {"issuer": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "http://login.acme.example/"},
        {"token_endpoint": "file:///etc/passwd"},
        {"token_endpoint": 7},
        {"token_endpoint": "https://user@login.acme.example/"},
        {"jwks_uri": None},
        {"userinfo_endpoint": "ftp://login.acme.example/"},
        {"token_endpoint_auth_methods_supported": 7},
    ],
)
def test_a_configuration_that_is_not_the_issuers(
    sso: SingleSignOn, provider: IdentityProvider, changed: Claims
) -> None:
    provider.configuration = changed

    got = Client().post("/sign-in/organization", {"typed": "acme"})

    refused(got, Refused.BAD_ANSWER)
    assert provider.asked == [CONFIGURATION]


@pytest.mark.parametrize("name", ["token_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    "url", ["https://169.254.169.254/", "https://10.0.0.1/", "https://[::ffff:10.0.0.1]/"]
)
def test_a_private_address_is_not_contacted(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization, name: str, url: str
) -> None:
    provider.configuration = {name: url}

    opens_nothing(provider, acme, Refused.NOT_ALLOWED)


def test_without_the_setting_this_machine_is_not_contacted(
    sso: SingleSignOn, provider: IdentityProvider, settings: Any
) -> None:
    settings.PORTAL_SSO_NETWORKS = []

    refused(Client().post("/sign-in/organization", {"typed": "acme"}), Refused.NOT_ALLOWED)
    assert provider.asked == []


def test_a_slow_identity_provider_costs_a_bounded_time(
    sso: SingleSignOn, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def wait(_: object) -> None:
        over.wait(60)

    provider.answers[CONFIGURATION] = wait
    monkeypatch.setattr(fetching, "TIMEOUT_S", 0.2)

    got = Client().post("/sign-in/organization", {"typed": "acme"})
    over.set()

    refused(got, Refused.UNREACHABLE)


def test_an_identity_provider_that_is_down(sso: SingleSignOn) -> None:
    # Port 1 of this machine.
    SingleSignOn.objects.update(issuer="http://127.0.0.1:1")

    refused(Client().post("/sign-in/organization", {"typed": "acme"}), Refused.UNREACHABLE)


def test_so_many_calls_run_at_once_and_no_more(
    sso: SingleSignOn, provider: IdentityProvider
) -> None:
    calls = [fetching._calls.acquire(blocking=False) for _ in range(fetching.MAX_CALLS_AT_ONCE)]
    try:
        refused(Client().post("/sign-in/organization", {"typed": "acme"}), Refused.BUSY)
    finally:
        for _ in calls:
            fetching._calls.release()

    assert begin(Client())


def test_a_huge_answer_is_not_read(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization
) -> None:
    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" " * 65_536)
        except OSError:
            flooded.set()

    flooded = threading.Event()
    provider.answers["/keys"] = flood

    opens_nothing(provider, acme, Refused.BAD_ANSWER, "more than")
    assert flooded.wait(10)


def test_too_many_tries_from_one_address_wait(sso: SingleSignOn) -> None:
    client = Client()
    for _ in range(20):
        client.post("/sign-in/organization", {"typed": "unknown"})

    answered = client.post("/sign-in/organization", {"typed": "unknown"})

    assert answered.status_code == 429
    assert int(answered["Retry-After"]) > 0
