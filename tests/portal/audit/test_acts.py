from __future__ import annotations

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.audit.models import AuditEntry
from portal.audit.sealing import seal_all
from portal.audit.verification import verify
from portal.events.acts import ACTS, REPORTS, record_acts
from portal.events.log import append_event
from portal.events.models import Event, EventType
from portal.mitigations.models import MitigationRequest
from portal.organizations import invitations, lost_phones, members, services
from portal.organizations.models import Organization, ProtectedResource, ResourceKind, Role
from portal.ownership import services as ownership
from portal.ownership.states import ProofMethod
from portal.providers.models import Subscription
from tests.conftest import ApiOf
from tests.factories import member

pytestmark = pytest.mark.django_db


def test_every_event_is_either_an_act_or_a_report() -> None:
    """A new type has to be put on one side: an act becomes an audit entry."""
    assert set(EventType) == ACTS | REPORTS
    assert not ACTS & REPORTS


def entries(organization: Organization) -> list[AuditEntry]:
    record_acts()
    return list(AuditEntry.objects.filter(organization_id=organization.pk).order_by("at", "pk"))


def test_a_submission_becomes_one_entry_that_says_from_where_and_with_which_token(
    alice: User,
    acme: Organization,
    acme_northgate: Subscription,
    shop: ProtectedResource,
    api_of: ApiOf,
) -> None:
    api = api_of(alice)
    answer = api.post(
        "/api/v1/organizations/acme/mitigation-requests",
        {"targets": {"prefixes": ["203.0.113.7/32"]}},
        REMOTE_ADDR="192.0.2.9",
    )
    assert answer.status_code == 202, answer.content

    request = MitigationRequest.objects.get()
    found = [one for one in entries(acme) if one.verb == "request.submitted"]
    assert record_acts() == 0
    [entry] = found
    assert (entry.actor_name, entry.actor_kind, entry.address) == ("alice", "person", "192.0.2.9")
    assert entry.token.endswith(":test")
    assert (entry.object_kind, entry.object_id) == ("request", str(request.pk))
    assert entry.object_name == request.name


def test_an_act_has_values_before_and_after(
    acme: Organization, alice: User, bob: User, mo: User
) -> None:
    services.set_role(organization=acme, user=bob, role=Role.OPERATOR, actor=alice)
    acme.patience_s = 90
    services.change_settings(organization=acme, actor=mo)
    services.remove_member(organization=acme, user=bob, actor=None)

    role, settings, removed = entries(acme)[-3:]
    assert (role.before, role.after) == ({"role": "viewer"}, {"role": "operator"})
    assert (role.object_name, role.actor_name, role.is_by_staff) == ("bob", "alice", False)
    assert settings.after == {"patience_s": 90}
    assert (settings.actor_name, settings.is_by_staff) == ("mo", True)
    assert (removed.before, removed.actor_name, removed.is_by_staff) == (
        {"role": "operator"},
        "",
        True,
    )


def test_each_call_for_a_check_is_an_entry_of_the_member(acme: Organization, dana: User) -> None:
    """By staff, who then wait: an event. By staff again, and by the portal: no event."""
    resource = services.add_resource(
        organization=acme, actor=Actor.person(dana), name="Net", kind=ResourceKind.PREFIX,
        value="198.51.100.0/24",
    )  # fmt: skip
    entries(acme)

    for method in (ProofMethod.STAFF, ProofMethod.STAFF, ProofMethod.DNS):
        ownership.ask_check(resource=resource, method=method, actor=dana)

    asked = [one for one in entries(acme) if one.verb != "resource.added"]
    assert sorted((one.verb, (one.after or {}).get("method")) for one in asked) == [
        ("resource.check_asked", "dns"),
        ("resource.check_asked", "staff"),
        ("resource.waiting", None),
    ]
    assert {(one.actor_name, one.object_id, one.object_name) for one in asked} == {
        ("dana", str(resource.pk), "Net")
    }


def test_removing_an_admin_records_the_end_of_open_invitations_and_resets(
    acme: Organization, alice: User
) -> None:
    one, other = (member(name, acme, Role.ADMIN) for name in ("one", "other"))
    invitations.invite(
        organization=acme, actor=Actor.person(one), email="eve@example.com", role=Role.ADMIN,
        origin="https://portal.example",
    )  # fmt: skip
    lost_phones.start(
        organization=acme, user_id=alice.pk, actor=Actor.person(one),
        reason="She called from her desk.", origin="https://portal.example",
    )  # fmt: skip
    entries(acme)

    members.remove(organization=acme, user_id=one.pk, actor=Actor.person(other))

    ended = entries(acme)[-3:]
    assert [(found.verb, found.object_name) for found in ended] == [
        ("member.removed", "one"),
        ("member.invitation_revoked", "eve@example.com"),
        ("member.second_factor_reset_canceled", "alice"),
    ]
    assert {found.actor_name for found in ended} == {"other"}


def test_reports_are_skipped_and_the_next_act_is_found_after_them(
    acme: Organization, alice: User
) -> None:
    for type in (EventType.SESSION_UP, EventType.MITIGATION_COUNTERS, EventType.SESSION_DOWN):
        append_event(organization_id=acme.pk, type=type, at=timezone.now())
    assert entries(acme) == []

    append_event(
        organization_id=acme.pk,
        type=EventType.RESOURCE_ADDED,
        at=timezone.now(),
        actor=Actor.person(alice),
        data={"resource": "1", "name": "Shop"},
    )

    assert [one.verb for one in entries(acme)] == ["resource.added"]
    seal_all()
    assert verify(acme.pk) is None


def test_the_log_that_members_read_has_no_address(
    alice: User, acme: Organization, shop: ProtectedResource, acme_northgate: Subscription,
    api_of: ApiOf,
) -> None:  # fmt: skip
    api = api_of(alice)
    new = {"targets": {"prefixes": ["203.0.113.7/32"]}}
    api.post("/api/v1/organizations/acme/mitigation-requests", new, REMOTE_ADDR="192.0.2.9")

    event = Event.objects.get(type=EventType.REQUEST_SUBMITTED)
    assert event.origin is not None
    assert event.origin["address"] == "192.0.2.9"
    assert "192.0.2.9" not in str(event.as_message())
    log = api.get("/api/v1/organizations/acme/events").content
    assert b"192.0.2.9" not in log
