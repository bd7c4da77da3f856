"""Portal staff maintain the list of providers."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from portal.accounts.models import User
from portal.audit.models import AuditEntry
from portal.providers.forms import ProviderForm
from portal.providers.models import Provider
from tests.conftest import ClientOf
from tests.portal.identities import pem

URL = "/portal/providers/"
NEW: dict[str, Any] = {
    "name": "Tidewall Ltd",
    "short_name": "Tidewall",
    "phone": "+44 1632 960000",
    "host": "dots.tidewall.example",
    "port": "4646",
    "server_name": "dots.tidewall.example",
    "transports": ["dtls", "tls"],
    "requires_alpn": "on",
    "trust_anchors": pem(900, "Tidewall Root"),
    "as_number": "64500",
    "path_kind": "direct",
    "may_be_indefinite": "on",
    "takes_names": "on",
}


@pytest.fixture
def staff(mo: User, client_of: ClientOf) -> Client:
    mo.is_superuser = True
    mo.save()
    return client_of(mo)


def test_a_provider_is_added_with_its_as_number(staff: Client) -> None:
    answer = staff.post(f"{URL}new", NEW, follow=True)

    added = Provider.objects.get()
    assert (added.short_name, added.as_number) == ("Tidewall", 64500)
    assert "Tidewall Ltd" in answer.content.decode()
    assert AuditEntry.objects.filter(verb="provider.added", actor_name="mo").exists()


def test_a_change_is_recorded_with_both_values(staff: Client, northgate: Provider) -> None:
    anchors = pem(900, "Root")
    Provider.objects.update(trust_anchors=anchors)
    shown = staff.get(f"{URL}{northgate.pk}/").content.decode()
    assert "Northgate" in shown
    kept = {**NEW, "name": northgate.name, "short_name": "Northgate", "host": "192.0.2.7"}

    answer = staff.post(f"{URL}{northgate.pk}/", kept)

    assert answer.status_code == 302
    entry = AuditEntry.objects.get(verb="provider.changed")
    assert (entry.before or {})["host"] == "127.0.0.1"
    assert (entry.after or {})["host"] == "192.0.2.7"


def test_the_page_shows_every_field(staff: Client) -> None:
    shown = staff.get(f"{URL}new").content.decode()

    assert [name for name in ProviderForm().fields if f'name="{name}"' not in shown] == []


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"host": "https://dots.example:4646"}, "This is more than a host. Write dots.example"),
        ({"port": "70000"}, "A port is 1 to 65535"),
        ({"trust_anchors": "nothing"}, "This is no certificate"),
        ({"as_number": "0"}, "AS numbers are 1 to"),
        ({"max_lifetime_s": "1"}, "Write 30 to"),
        ({"name": ""}, "This field is required"),
    ],
)
def test_an_error_is_at_its_field(staff: Client, typed: dict[str, str], message: str) -> None:
    answer = staff.post(f"{URL}new", {**NEW, **typed})

    assert answer.status_code == 400
    [field] = typed
    shown = answer.content.decode()
    assert message in shown.partition(f'for="id_{field}"')[2].partition('class="field"')[0]
    assert not Provider.objects.exists()


def test_members_of_organizations_have_no_such_page(
    alice: User, charlie: User, northgate: Provider, client_of: ClientOf
) -> None:
    for user in (alice, charlie):
        assert client_of(user).get(URL).status_code == 403
        assert client_of(user).post(f"{URL}{northgate.pk}/", NEW).status_code == 403
