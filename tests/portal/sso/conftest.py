from __future__ import annotations

import html
import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.organizations.models import Organization
from portal.sso import services
from portal.sso.models import EmailDomain, SingleSignOn
from tests.portal.sso.identity_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    IdentityProvider,
    running,
)


@pytest.fixture
def provider(settings: Any) -> Iterator[IdentityProvider]:
    settings.PORTAL_SSO_NETWORKS = [ip_network("127.0.0.0/8")]
    with running() as own:
        yield own


@pytest.fixture
def sso(acme: Organization, alice: User, provider: IdentityProvider) -> SingleSignOn:
    """Acme uses it, and has proved acme.example."""
    made = configured(acme, alice, provider, domains=["acme.example"])
    EmailDomain.objects.update(proved_at=timezone.now(), asked_at=None)
    return made


def configured(
    organization: Organization, admin: User, provider: IdentityProvider, **more: Any
) -> SingleSignOn:
    setup = {
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        **more,
    }
    return services.configure(
        organization=organization,
        setup=services.Setup(**setup),
        actor=Actor.person(admin),
    )


def left_for(answer: Any) -> str:
    """Where the page sends the browser."""
    assert answer.status_code == 200, answer.content.decode()
    found = re.search(r'http-equiv="refresh" content="0;url=([^"]*)"', answer.content.decode())
    assert found, answer.content.decode()
    return html.unescape(found[1])


def begin(client: Client, typed: str = "bob@acme.example", following: str = "/") -> str:
    return left_for(client.post("/sign-in/organization", {"typed": typed, "next": following}))


def come_back(client: Client, organization: Organization, query: dict[str, str]) -> Any:
    return client.get(f"/sign-in/organization/{organization.pk}/answer", query)


def sign_in(
    client: Client, provider: IdentityProvider, organization: Organization, **how: str
) -> Any:
    """The whole way, by a person who has signed in at the identity provider."""
    return come_back(client, organization, provider.authorize(begin(client, **how)))
