from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from portal.accounts.models import User
from tests.conftest import ClientOf


@pytest.fixture
def stale_client_of(client_of: ClientOf) -> Callable[[User], Client]:
    """A browser whose second factor was given ten minutes ago."""

    def stale(user: User) -> Client:
        client = client_of(user)
        session = client.session
        session["factor_at"] -= 600
        session.save()
        return client

    return stale


@pytest.fixture
def mailed(alice: User) -> User:
    """alice, who has an address."""
    alice.email = "alice@example.com"
    alice.save()
    return alice
