"""With a whole OpenID provider in another process, and an HTTP client that has its cookies."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from html import unescape
from ipaddress import ip_network
from typing import Any, Final
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.models import Authenticator, User
from portal.accounts.services.sessions import factor_age_s
from portal.organizations.models import Organization
from portal.sso.models import EmailDomain, FederatedIdentity, SingleSignOn
from tests.portal.sso.conftest import begin, come_back, configured
from tests.portal.sso.identity_provider import IdentityProvider
from tests.portal.sso.real_provider import EMAIL, PASSWORD, PERSON
from tests.portal.sso.test_sign_in import NOW, opens

ROOT: Final = "http://testserver"


@pytest.fixture
def issuer(acme: Organization, settings: Any) -> Iterator[str]:
    settings.PORTAL_SSO_NETWORKS = [ip_network("127.0.0.0/8")]
    redirect = f"{ROOT}/sign-in/organization/{acme.pk}/answer"
    with subprocess.Popen(
        [sys.executable, "-m", "tests.portal.sso.real_provider", redirect],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture
def real(acme: Organization, alice: User, bob: User, issuer: str) -> SingleSignOn:
    User.objects.filter(pk=bob.pk).update(email=EMAIL)
    made = configured(acme, alice, IdentityProvider(issuer=issuer), domains=["acme.example"])
    EmailDomain.objects.update(proved_at=timezone.now(), asked_at=None)
    return made


class Browser(httpx.Client):
    """A person at the identity provider fills its forms in."""

    def come_back_from(self, url: str) -> dict[str, str]:
        """Sign in and agree; what the browser takes to the portal."""
        answer = self.get(url)
        for _ in range(10):
            if answer.is_redirect:
                following = urljoin(str(answer.url), answer.headers["Location"])
                if following.startswith(ROOT):
                    query = parse_qs(urlsplit(following).query)
                    return {name: values[0] for name, values in query.items()}
                answer = self.get(following)
            else:
                answer = self._submit(answer)
        raise AssertionError(answer.text)

    def _submit(self, page: httpx.Response) -> httpx.Response:
        forms = re.findall(r"<form.*?</form>", page.text, re.DOTALL)
        form = next(one for one in forms if "csrfmiddlewaretoken" in one)
        fields: dict[str, list[str]] = defaultdict(list)
        for tag in re.findall(r"<(?:input|button)[^>]*>", form):
            name, value = (re.search(rf'{one}="([^"]*)"', tag) for one in ("name", "value"))
            if name:
                fields[name[1]].append(unescape(value[1]) if value else "on")
        known = {"login": [PERSON], "password": [PASSWORD], "action": ["grant"]}
        fields |= {name: known[name] for name in known if name in fields}
        action = re.search(r'action="([^"]*)"', form)
        where = urljoin(str(page.url), unescape(action[1]) if action and action[1] else "")
        return self.post(where, data=fields, headers={"Referer": str(page.url)})


def test_a_member_signs_in_and_confirms_there(
    real: SingleSignOn, acme: Organization, bob: User
) -> None:
    Authenticator.objects.filter(user=bob).delete()
    client = Client()
    with Browser(timeout=30) as browser:
        answer = come_back(client, acme, browser.come_back_from(begin(client, following=NOW)))

        assert answer["Location"] == NOW
        assert opens(client)
        assert FederatedIdentity.objects.get().user == bob
        session = client.session
        session["factor_at"] = 0.0
        session.save()
        left = client.get(f"/confirm-by-single-sign-on?next={NOW}")["Location"]
        confirmed = come_back(client, acme, browser.come_back_from(left))

    assert confirmed["Location"] == NOW
    assert factor_age_s(client.session) < 60


def test_a_person_who_declines_gets_the_reason(real: SingleSignOn, acme: Organization) -> None:
    client = Client()
    with Browser(timeout=30) as browser:
        browser.come_back_from(begin(client))
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]

    answer = come_back(client, acme, {"error": "access_denied", "state": state})

    assert answer.status_code == 403
    assert "access_denied" in answer.content.decode()
