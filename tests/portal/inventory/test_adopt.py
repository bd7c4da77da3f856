"""A request adopts an unknown mitigation exactly as the provider holds it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict
from portal.core.targets import PortRange, Targets
from portal.inventory import services
from portal.inventory.models import Ending, UnknownMitigation
from portal.mitigations import services as mitigations
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.states import STALE_AFTER, Status
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.factories import ResourceFactory
from tests.portal.inventory.conftest import Record, event_data, one, reported
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import confirm, mitigations_of, sent

NOW = timezone.now()
SHOP = "203.0.113.0/26"


def adopt(actor: User) -> MitigationRequest:
    return services.adopt(unknown_id=one().pk, actor=Actor.person(actor))


def code_of(actor: User) -> str:
    with pytest.raises(Conflict) as refused:
        adopt(actor)
    assert refused.value.message.startswith("It was not adopted. ")
    return refused.value.code


@pytest.fixture(autouse=True)
def _shop(shop: ProtectedResource) -> None:
    """The resources that acme may request protection for."""


def test_adopting_creates_a_request_with_its_mid_scope_and_status(
    record: Record, acme: Organization, acme_northgate: Subscription, dana: User
) -> None:
    now = timezone.now()
    began = now - timedelta(hours=2)
    ports = (PortRange(443, 443), PortRange(80, 90))
    record(
        reported(4, SHOP, ports=ports, protocols=(17, 6), lifetime_s=1800, mitigation_start=began),
        at=now,
    )

    request = adopt(dana)

    [mitigation] = request.mitigations.all()
    assert (mitigation.subscription, mitigation.mid, mitigation.status) == (
        acme_northgate,
        4,
        Status.MITIGATING,
    )
    assert (mitigation.dots_status, mitigation.expires_at) == (2, now + timedelta(seconds=1800))
    assert mitigation.scope == request.scope == Targets.saved(prefixes=[SHOP])
    # In the provider's order: a refresh repeats them.
    assert (request.ports, request.protocols) == (ports, (17, 6))
    assert (request.status, request.organization, request.created_by) == ("mitigating", acme, dana)
    assert (mitigation.mitigating_at, mitigation.confirmed_at, mitigation.asked_by) == (
        began,
        began,
        dana,
    )
    assert request.auto_renew
    assert (one().ending, one().request, one().adopted_by) == (Ending.ADOPTED, request, dana)
    assert event_data()[-1] == {
        "type": "adopted",
        "actor": "dana",
        "actor_kind": "person",
        "unknown_mitigation": str(one().pk),
        "subscription": str(acme_northgate.pk),
        "mid": 4,
        "dots_status": 2,
        "request": str(request.pk),
    }


def test_the_targets_are_saved_in_the_providers_order(
    record: Record, acme: Organization, dana: User
) -> None:
    ResourceFactory.create(organization=acme, name="Names", kind="fqdn", value="example.com")
    ResourceFactory.create(organization=acme, name="Six", value="2001:db8::/32")
    more = {
        "prefixes": ["2001:db8:1::/48", SHOP],
        "fqdns": ["shop.example.com"],
        "uris": ["https://shop.example.com/"],
    }
    record(reported(4, more=more))

    [mitigation] = adopt(dana).mitigations.all()

    assert mitigation.scope == Targets.saved(**more)


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"uris": ["https://shop.example"]}, "a web address"),
        ({"uris": ["https://Shop.example:443/x"]}, "a web address"),
        ({"uris": ["https://bob@shop.example/"]}, "a web address"),
        ({"uris": ["https://shop.example/", "https://shop.example"]}, "a web address"),
        ({"fqdns": ["Shop.example"]}, "a name"),
        ({"fqdns": ["shop.example."]}, "a name"),
        ({"prefixes": ["2001:DB8:1::/48"]}, "a prefix"),
        ({"prefixes": ["203.0.113.7"]}, "a prefix"),
    ],
)
def test_a_target_that_a_refresh_would_spell_differently_is_not_adopted(
    record: Record, acme: Organization, dana: User, more: dict[str, list[str]], kind: str
) -> None:
    ResourceFactory.create(organization=acme, name="Names", kind="fqdn", value="shop.example")
    ResourceFactory.create(organization=acme, name="Six", value="2001:db8::/32")
    record(reported(4, more=more))

    with pytest.raises(Conflict, match=f"Northgate holds {kind} in a spelling") as refused:
        adopt(dana)

    assert refused.value.code == "spelled-otherwise"
    assert not MitigationRequest.objects.exists()


@pytest.mark.parametrize(
    ("dots_status", "status", "of_request"),
    [
        (1, Status.IN_PROGRESS, "in_progress"),
        (2, Status.MITIGATING, "mitigating"),
        (3, Status.ATTACK_STOPPED, "attack_stopped"),
        (4, Status.EXCEEDED, "mitigating"),
        (7, Status.WITHDRAWN, "failing"),
        (None, Status.IN_PROGRESS, "in_progress"),
        (99, Status.IN_PROGRESS, "in_progress"),
    ],
)
def test_the_adopted_status_is_the_reported_one(
    record: Record, dana: User, dots_status: int | None, status: Status, of_request: str
) -> None:
    record(reported(4, dots_status=dots_status))

    request = adopt(dana)

    assert (request.mitigations.get().status, request.status) == (status, of_request)


def test_an_adopted_mitigation_ends_like_any_other(record: Record, dana: User) -> None:
    record(reported(4))
    request = adopt(dana)

    mitigations.terminate(request_id=request.pk, actor=Actor.person(dana))

    mitigation = request.mitigations.get()
    assert (mitigation.status, mitigation.sent_at is None) == (Status.TERMINATING, False)
    mitigations.record_withdrawal_confirmed(mitigation_id=mitigation.pk, now=NOW)
    mitigations.record_forgotten(mitigation_id=mitigation.pk, now=NOW)
    assert MitigationRequest.objects.get(pk=request.pk).status == "terminated"


def test_an_indefinite_mitigation_stays_indefinite_if_that_is_allowed(
    record: Record, acme: Organization, dana: User
) -> None:
    record(reported(4, lifetime_s=-1))
    assert adopt(dana).lifetime_s == -1

    acme.may_be_indefinite = False
    acme.save()
    record(reported(5, "203.0.113.32/27", lifetime_s=-1))
    row = UnknownMitigation.objects.get(ended_at=None)

    request = services.adopt(unknown_id=row.pk, actor=Actor.person(dana))

    assert request.lifetime_s == acme.default_lifetime_s
    assert request.mitigations.get().expires_at is None


def test_a_second_adoption_returns_the_same_request(
    record: Record, dana: User, alice: User
) -> None:
    record(reported(4))

    assert adopt(dana) == adopt(alice)

    assert MitigationRequest.objects.count() == Mitigation.objects.count() == 1
    assert [event["type"] for event in event_data()] == ["found", "adopted"]


def test_an_adopted_mitigation_can_only_be_ended_through_its_request(
    record: Record, dana: User
) -> None:
    record(reported(4))
    adopt(dana)

    with pytest.raises(Conflict) as refused:
        services.withdraw(unknown_id=one().pk, actor=Actor.person(dana))

    assert refused.value.code == "adopted"
    record(answered_mids=[4])
    assert one().ending == Ending.ADOPTED


REFUSED = [
    pytest.param({"prefix": "198.51.100.0/24"}, "not-verified", id="an address of someone else"),
    pytest.param({"prefix": "203.0.113.9/26"}, "host-bits-set", id="not a network"),
    pytest.param({"prefix": "nonsense"}, "not-a-prefix", id="nonsense"),
    pytest.param({"dots_status": 5}, "ending", id="winds down"),
    pytest.param({"dots_status": 8, "is_preconfigured": True}, "preconfigured", id="standby"),
    pytest.param({"is_preconfigured": True}, "preconfigured", id="an activated plan"),
    pytest.param({"more": {"aliases": ["web"]}}, "aliases", id="aliases"),
    pytest.param({"filters": ["ntp"]}, "filters", id="filters"),
    pytest.param({"is_whole": False}, "not-told", id="more than is kept"),
    pytest.param({"more": {"prefixes": []}}, "not-told", id="no targets"),
    pytest.param({"ports": (PortRange(90, 80),)}, "upside-down", id="odd ports"),
    pytest.param({"protocols": [300]}, "out-of-range", id="odd protocol"),
]


@pytest.mark.parametrize(("fields", "code"), REFUSED)
def test_a_mitigation_that_no_request_could_express_can_only_be_withdrawn(
    record: Record, dana: User, fields: dict[str, Any], code: str
) -> None:
    record(reported(4, **fields))

    assert code_of(dana) == code

    assert not MitigationRequest.objects.exists()
    assert services.withdraw(unknown_id=one().pk, actor=Actor.person(dana)).withdrawn_by == dana


def test_a_mitigation_at_a_provider_that_may_not_protect_it_cannot_be_adopted(
    record: Record, acme_northgate: Subscription, dana: User
) -> None:
    Subscription.objects.update(limited_to=["203.0.113.0/27"])
    record(reported(4))

    assert code_of(dana) == "nobody-may-protect"
    Subscription.objects.update(enabled=False, limited_to=[])
    assert code_of(dana) == "not-connected"


def test_a_mitigation_last_reported_before_a_restore_is_adopted_only_after_a_new_report(
    record: Record, dana: User
) -> None:
    record(reported(4), at=timezone.now() - STALE_AFTER - timedelta(seconds=1))

    assert code_of(dana) == "not-heard"

    record(reported(4))
    assert adopt(dana).status == "mitigating"


@pytest.mark.parametrize("what", ["ended", "withdrawn"])
def test_an_ended_or_withdrawn_mitigation_cannot_be_adopted(
    record: Record, dana: User, what: str
) -> None:
    record(reported(4))
    if what == "ended":
        record(answered_mids=[4])
    else:
        services.withdraw(unknown_id=one().pk, actor=Actor.person(dana))

    assert code_of(dana) == what


@pytest.mark.parametrize("was_confirmed", [True, False])
def test_a_mid_is_not_reused_by_another_request(
    record: Record, submit: Submit, dana: User, *, was_confirmed: bool
) -> None:
    request = submit()
    [mitigation] = mitigations_of(request)
    if was_confirmed:
        confirm(mitigation)
        mitigations.terminate(request_id=request.pk, actor=Actor.person(dana))
        mitigations.record_withdrawal_confirmed(mitigation_id=mitigation.pk, now=NOW)
        mitigations.record_forgotten(mitigation_id=mitigation.pk, now=NOW)
    else:
        sent(mitigation)
    record(reported(mitigation.mid, "203.0.113.32/27"))

    assert code_of(dana) == "mid-known"
