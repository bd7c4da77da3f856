from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
from django.test import Client

from portal.accounts import services as accounts
from portal.accounts.models import User
from portal.accounts.scopes import Scope
from portal.organizations.models import Organization, Role
from tests.conftest import ClientOf
from tests.factories import member, service_token


@pytest.fixture
def browsers(
    charlie: User,
    bob: User,
    dana: User,
    alice: User,
    mo: User,
    acme: Organization,
    client_of: ClientOf,
) -> dict[str, Client]:
    """Of each of PEOPLE."""
    people = (charlie, bob, dana, member("paul", acme, Role.APPROVER), alice)
    signed_in = {user.username: client_of(user) for user in people}
    acting = client_of(mo)
    acting.post("/portal/organizations/acme/act", {"reason": "Their admin called about a form"})
    return {"anonymous": Client(), **signed_in, "staff": client_of(mo), "acting": acting}


@pytest.fixture
def tokens(alice: User, acme: Organization, globex: Organization) -> dict[str, str]:
    """The text of each of TOKENS."""
    scoped = {
        str(scope): accounts.make_token(
            user=alice, name=f"of scope {scope}", scope=scope, days=1, networks=[]
        )[1]
        for scope in Scope
    }
    programs = {
        "program": service_token(acme, name="detector"),
        "viewing program": service_token(acme, name="dashboard", role=Role.VIEWER),
        "foreign program": service_token(globex),
    }
    return scoped | {column: text for column, (_, text) in programs.items()}


@pytest.fixture(autouse=True)
def _factors_stay_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """All routes take longer than five minutes on a busy machine."""
    # The package has a function of the module's name.
    module = import_module("portal.accounts.services.step_up")
    monkeypatch.setattr(module, "FRESH_FOR", timedelta(hours=1))
