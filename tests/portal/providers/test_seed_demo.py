from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from django.core.management import call_command

from portal.accounts.models import Authenticator, User
from portal.core import secrets
from portal.organizations.models import Membership, ProtectedResource, Role
from portal.providers.models import Provider, Subscription
from tests.factories import CERTIFICATE

pytestmark = pytest.mark.sqlite

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.fixture
def description() -> dict[str, Any]:
    resource = {"name": "Shop", "kind": "prefix", "value": "203.0.113.0/26", "is_verified": True}
    return {
        "organizations": [
            {
                "slug": "acme",
                "name": "Acme",
                "resources": [
                    resource,
                    {
                        "name": "Status",
                        "kind": "fqdn",
                        "value": "status.example",
                        "is_verified": False,
                    },
                ],
            }
        ],
        "users": [
            person("alice", organization="acme", role="admin", totp_secret=SECRET),
            person("erin", organization="acme", role="operator", totp_secret=None),
            person("mo", organization="", role="staff", totp_secret=SECRET, is_staff=True),
        ],
        "providers": [
            {
                "name": "Northgate Scrubbing",
                "short_name": "Northgate",
                "phone": "+1 555 0142",
                "host": "127.0.0.1",
                "port": 4646,
                "server_name": "northgate.example",
                "trust_anchors": CERTIFICATE,
                "clients": [
                    {
                        "organization": "acme",
                        "cuid": "dz6pHjaADkaFTbjr0JGBpw",
                        "certificate_chain": CERTIFICATE,
                        "private_key": "a key",
                    }
                ],
            }
        ],
    }


def person(username: str, **fields: Any) -> dict[str, Any]:
    return {
        "username": username,
        "password": "kfm4-x2pq-7hwz-9abc",
        "totp_secret": SECRET,
        "organization": "",
        "role": "",
        "is_staff": False,
        **fields,
    }


def seed(description: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(description)))
    call_command("seed_demo", stdout=io.StringIO())


def test_described_people_can_sign_in(
    db: None, description: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(description, monkeypatch)

    alice = User.objects.get(username="alice")
    assert alice.check_password("kfm4-x2pq-7hwz-9abc")
    kept = Authenticator.objects.get(user=alice, confirmed=True).encrypted_key
    assert base64.b32encode(secrets.decrypt(kept)).decode() == SECRET
    assert Membership.objects.get(user=alice).role == Role.ADMIN


def test_a_person_without_a_secret_is_not_enrolled(
    db: None, description: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(description, monkeypatch)

    assert not Authenticator.objects.filter(user__username="erin").exists()


def test_staff_belong_to_no_organization(
    db: None, description: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(description, monkeypatch)

    assert User.objects.get(username="mo").is_staff
    assert not Membership.objects.filter(user__username="mo").exists()


def test_only_resources_described_as_verified_are_verified(
    db: None, description: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(description, monkeypatch)

    verified = ProtectedResource.objects.filter(verified_at__isnull=False)
    assert [resource.name for resource in verified] == ["Shop"]


def test_the_private_key_is_saved_encrypted(
    db: None, description: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(description, monkeypatch)

    kept = bytes(Subscription.objects.get().private_key)
    assert kept != b"a key"
    assert secrets.decrypt(kept) == b"a key"


def test_a_second_run_changes_only_the_address_of_a_provider(
    db: None, description: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(description, monkeypatch)
    User.objects.filter(username="alice").update(first_name="Alice")
    Subscription.objects.update(next_mid=12, priority=7)
    description["providers"][0]["port"] = 4656

    seed(description, monkeypatch)

    assert User.objects.get(username="alice").first_name == "Alice"
    assert Provider.objects.get().port == 4656
    subscription = Subscription.objects.get()
    assert (subscription.next_mid, subscription.priority) == (12, 7)
