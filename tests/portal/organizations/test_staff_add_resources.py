from __future__ import annotations

from typing import Any

import pytest

from portal.accounts.models import User
from portal.organizations import services
from portal.organizations.models import Organization, ProtectedResource
from tests.conftest import ClientOf
from tests.factories import ResourceFactory

ADD = "/admin/organizations/protectedresource/add/"


def entered(organization: Organization, /, **changed: str) -> dict[str, Any]:
    usual = {"name": "Shop", "kind": "prefix", "value": "203.0.113.0/26"}
    return {"organization": str(organization.pk), **usual} | changed


def test_staff_add_a_resource_in_normal_form_and_verify_it_separately(
    mo: User, acme: Organization, client_of: ClientOf
) -> None:
    answer = client_of(mo).post(ADD, entered(acme, value="2001:DB8:10::/48"))

    assert answer.status_code == 302, answer.content
    added = ProtectedResource.objects.get()
    assert (added.organization, added.name, added.value) == (acme, "Shop", "2001:db8:10::/48")
    assert not added.is_verified


@pytest.mark.parametrize(
    "changed",
    [
        {"value": "203.0.113.0/99"},
        {"value": "127.0.0.0/8"},
        {"value": "no address"},
        {"value": "x" * 300},
        {"kind": "fqdn", "value": "-"},
        {"kind": "planet", "value": "203.0.113.0/26"},
        {"name": ""},
        {"name": "x" * 101},
        {"name": "Known"},
        {"value": "198.51.100.0/25"},
        {"organization": "nobody"},
    ],
    ids=str,
)
def test_the_staff_site_refuses_what_the_api_refuses_with_a_reason(
    mo: User, acme: Organization, client_of: ClientOf, changed: dict[str, str]
) -> None:
    ResourceFactory.create(organization=acme, name="Known", value="198.51.100.0/25")

    answer = client_of(mo).post(ADD, entered(acme, **changed))

    assert answer.status_code == 200
    assert b'class="errorlist"' in answer.content
    assert [one.name for one in ProtectedResource.objects.all()] == ["Known"]


def test_one_resource_too_many_is_refused(
    mo: User, acme: Organization, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MAX_RESOURCES", 0)

    answer = client_of(mo).post(ADD, entered(acme))

    assert b"Acme has reached the limit of 0 resources" in answer.content
    assert not ProtectedResource.objects.exists()
