from __future__ import annotations

from typing import Any

import pytest

from portal.mitigations.consent import Consent, WouldReplace
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Organization
from tests.factories import ResourceFactory
from tests.portal.mitigations.conftest import Submit

WIDE, HOST = ("2001:db8:10:a0::/60",), ("2001:db8:10:a1::/64",)


@pytest.fixture(autouse=True)
def _network(acme: Organization) -> None:
    ResourceFactory.create(organization=acme, name="Network", value="2001:db8:10::/48")
    ResourceFactory.create(organization=acme, name="Names", kind="fqdn", value="acme.example")


@pytest.fixture
def ask(submit: Submit) -> Submit:
    """Submit with consent only to the named requests."""

    def ask(**changes: Any) -> MitigationRequest:
        consent = changes.pop("consent", Consent())
        return submit(resources=(), consent=consent, **changes)

    return ask


def refused(ask: Submit, **changes: Any) -> dict[str, list[str]]:
    """What each request would lose, by name."""
    count = MitigationRequest.objects.count()
    with pytest.raises(WouldReplace) as caught:
        ask(**changes)
    assert MitigationRequest.objects.count() == count
    return {one["name"]: one["loses"] for one in replaces(caught.value)}


def replaces(error: WouldReplace) -> list[Any]:
    found = error.members["replaces"]
    assert isinstance(found, list)
    return found
