"""What people and staff do leaves records, and none of them has a secret."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import models
from django.test import Client
from rest_framework.test import APIClient

from portal.accounts import services as accounts
from portal.accounts.models import Authenticator, User
from portal.audit.models import PORTAL_CHAIN, AuditEntry
from portal.audit.refusals import REFUSALS
from portal.core.admin import site
from portal.core.errors import InvalidCredentials
from portal.events.acts import record_acts
from portal.organizations.models import Membership, Organization, ProtectedResource
from portal.providers.models import Provider, Subscription
from tests.conftest import ClientOf
from tests.factories import PASSWORD, app_code
from tests.portal.audit.test_every_change_is_recorded import AUDITED

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(mo: User, acme_northgate: Subscription, client_of: ClientOf) -> Client:
    # Without a line break at its end, which a browser removes: unchanged anchors are not checked.
    Provider.objects.update(trust_anchors="of an earlier release")
    acme_northgate.provider.refresh_from_db()
    return client_of(mo)


def test_every_staff_form_of_an_audited_model_leaves_a_record(
    staff: Client, acme_northgate: Subscription, shop: ProtectedResource, bob: User
) -> None:
    """Each row is renamed or deleted through Django's admin; a form that cannot be saved fails."""
    record_acts()
    membership = Membership.objects.get(user=bob)
    changes: list[tuple[models.Model, dict[str, Any]]] = [
        (bob, {"first_name": "Bo"}),
        (shop.organization, {"patience_s": 99}),
        (membership, {"role": "operator"}),
        (acme_northgate.provider, {"phone": "+1 555 0199"}),
        (acme_northgate, {"priority": 3}),
    ]
    forms = {type(row) for row, _ in changes} | {ProtectedResource}
    assert forms == {model for model in site._registry if model in AUDITED}
    for row, values in changes:
        assert _records_of(staff, row, "change", values) >= 1, row
    deleting = {"post": "yes"}
    assert _records_of(staff, shop, "delete", deleting) == 1
    assert _records_of(staff, membership, "delete", deleting) == 1


def _post(staff: Client, row: models.Model, act: str, values: dict[str, Any]) -> None:
    """Send the form as it is shown, with other values."""
    url = f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/{act}/"
    shown = staff.get(url).context
    if act == "change":
        fields = {one.name: one.value() for one in shown["adminform"].form}
        values = {name: one for name, one in fields.items() if one not in (None, False)} | values
    answer = staff.post(url, values)
    assert answer.status_code == 302, answer.context["errors"]


def _records_of(staff: Client, row: models.Model, act: str, form: dict[str, Any]) -> int:
    before = AuditEntry.objects.count()
    _post(staff, row, act, form)
    record_acts()
    return AuditEntry.objects.count() - before


def test_staff_changes_name_the_values_and_no_secret(
    staff: Client, bob: User, acme_northgate: Subscription
) -> None:
    provider = acme_northgate.provider
    before = provider.phone
    _post(staff, provider, "change", {"phone": "+1 555 0199"})
    new = PASSWORD + "x"
    password = {"password1": new, "password2": new, "usable_password": "true"}
    staff.post(f"/admin/accounts/user/{bob.pk}/password/", password)

    entry = AuditEntry.objects.get(verb="staff.changed", object_kind="provider")
    assert (entry.before, entry.after) == ({"phone": before}, {"phone": "+1 555 0199"})
    assert (entry.actor_name, entry.is_by_staff) == ("mo", True)
    assert entry.factor == "authenticator:App"
    changed = AuditEntry.objects.get(verb="person.password_changed")
    assert (changed.object_name, changed.actor_name) == ("bob", "mo")
    assert PASSWORD not in _everything()


def _everything() -> str:
    record_acts()
    return str([entry.content() for entry in AuditEntry.objects.all()])


def test_a_life_of_signing_in_is_recorded_without_its_secrets(
    bob: User, acme: Organization
) -> None:
    client = APIClient()
    secret = bytes(Authenticator.objects.get(user=bob).encrypted_key)
    refused = {"username": "bob", "password": "wrong horse", "otp": "000000", "device_name": "x"}
    code = app_code()
    with pytest.raises(InvalidCredentials):
        accounts.check_password(username="bob", password="wrong horse", address="192.0.2.1")
    client.post("/api/v1/auth/token", refused, REMOTE_ADDR="192.0.2.1")
    right = {"username": "bob", "password": PASSWORD, "otp": code, "device_name": "laptop"}
    answer = client.post("/api/v1/auth/token", right, REMOTE_ADDR="192.0.2.2")
    assert answer.status_code == 201, answer.content
    plain = answer.json()["token"]
    authorization = {"HTTP_AUTHORIZATION": f"Bearer {plain}"}
    for _ in range(2):
        client.get("/api/v1/me", **authorization)  # type: ignore[arg-type]
    client.delete("/api/v1/auth/token", **authorization)  # type: ignore[arg-type]

    found = AuditEntry.objects.filter(organization_id=acme.pk).order_by("pk")
    assert [(one.verb, one.actor_name, one.address) for one in found] == [
        ("person.sign_in_refused", "", "192.0.2.1"),
        ("person.sign_in_refused", "", "192.0.2.1"),
        ("person.signed_in", "bob", "192.0.2.2"),
        ("token.issued", "bob", "192.0.2.2"),
        ("token.first_used", "bob", "127.0.0.1"),
        ("token.ended", "bob", "127.0.0.1"),
    ]
    assert found[2].factor == "authenticator:App"
    assert found[4].object_name == "laptop"
    written = _everything()
    for one in (PASSWORD, "wrong horse", plain, code, answer.json()["device_token"], repr(secret)):
        assert one not in written


def test_refusals_stay_in_their_tenant_and_are_bounded(
    bob: User, charlie: User, acme: Organization, globex: Organization, client_of: ClientOf
) -> None:
    outsider, viewer = client_of(charlie), client_of(bob)
    for _ in range(100):
        assert outsider.get("/organizations/acme/").status_code == 404
        assert viewer.get("/organizations/acme/requests/new").status_code == 403

    found = AuditEntry.objects.filter(verb="access.refused")
    assert found.filter(organization_id=globex.pk).count() == 0
    assert set(found.filter(organization_id=acme.pk).values_list("actor_name", flat=True)) == {
        "bob"
    }
    assert found.filter(organization_id=acme.pk).count() == REFUSALS.tries
    assert found.filter(organization_id=PORTAL_CHAIN).count() == REFUSALS.tries
