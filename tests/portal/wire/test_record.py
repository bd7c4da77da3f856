"""How the journal saves messages."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import DataError

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services as mitigations
from portal.mitigations.models import Mitigation
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from portal.wire import services
from portal.wire.models import WireMessage
from tests.factories import ResourceFactory
from tests.portal.wire.conftest import heartbeat, keep, put, scope

pytestmark = pytest.mark.sqlite


def test_a_message_belongs_to_the_mitigation_in_its_path(mitigation: Mitigation) -> None:
    keep(mitigation.subscription_id, put(mitigation.mid), put(mitigation.mid + 7), heartbeat())

    own, strange, beat = WireMessage.objects.order_by("id")
    assert own.mitigation == mitigation
    assert own.organization == mitigation.organization
    assert (strange.mitigation, beat.mitigation) == (None, None)


def test_the_same_mid_in_two_organizations_is_never_mixed_up(
    mitigation: Mitigation, globex: Organization, globex_northgate: Subscription, charlie: User
) -> None:
    ResourceFactory.create(organization=globex, value="198.51.100.0/24")
    theirs = mitigations.submit(
        organization=globex,
        actor=Actor.person(charlie),
        submission=Submission(prefixes=("198.51.100.0/24",)),
    ).mitigations.get()
    assert theirs.mid == mitigation.mid

    services.record(
        [
            (mitigation.subscription_id, put(mitigation.mid)),
            (globex_northgate.pk, put(mitigation.mid)),
        ]
    )

    ours, other = WireMessage.objects.order_by("id")
    assert (ours.mitigation, ours.organization) == (mitigation, mitigation.organization)
    assert (other.mitigation, other.organization) == (theirs, globex)


def test_a_long_message_is_truncated_and_its_size_recorded(mitigation: Mitigation) -> None:
    long = put(mitigation.mid, octets=b"x" * (services.MAX_OCTETS_SAVED + 1))

    keep(mitigation.subscription_id, long, put(mitigation.mid))

    cut, whole = WireMessage.objects.order_by("id")
    assert len(cut.octets) == services.MAX_OCTETS_SAVED
    assert cut.size == services.MAX_OCTETS_SAVED + 1
    assert cut.is_cut
    assert not whole.is_cut


def test_an_oversized_decoded_body_is_dropped(mitigation: Mitigation) -> None:
    fits = scope(reason="x" * (services.MAX_BODY_SAVED - 200))

    keep(
        mitigation.subscription_id,
        put(mitigation.mid, body=fits),
        put(mitigation.mid, body=scope(reason="x" * services.MAX_BODY_SAVED)),
    )

    kept, left_out = WireMessage.objects.order_by("id")
    assert kept.body == fits
    assert left_out.body == ""
    assert left_out.octets


def test_text_too_long_for_a_column_is_truncated(mitigation: Mitigation) -> None:
    keep(mitigation.subscription_id, put(mitigation.mid, path="/" + "c" * 1000, options="x" * 1000))

    message = WireMessage.objects.get()
    assert len(message.path) == len(message.options) == services.MAX_TEXT_SAVED


def test_a_body_with_a_nul_is_recorded(mitigation: Mitigation) -> None:
    keep(mitigation.subscription_id, put(mitigation.mid, body='"a\\u0000b"'))

    assert WireMessage.objects.get().decoded == "a\0b"


def test_messages_of_a_deleted_subscription_are_dropped(mitigation: Mitigation) -> None:
    lost = services.record([(uuid4(), put(1)), (mitigation.subscription_id, put(mitigation.mid))])

    assert lost == {}
    assert WireMessage.objects.get().mitigation == mitigation


def test_a_message_the_database_refuses_does_not_affect_the_others(
    mitigation: Mitigation, globex_northgate: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = services._write

    def refusing(seen: list[tuple[object, services.Seen]]) -> None:
        if any(message.code == "7.31" for _, message in seen):
            raise DataError("odd")
        write(seen)  # type: ignore[arg-type]  # as given

    monkeypatch.setattr(services, "_write", refusing)
    bad = put(1, code="7.31")
    lost = services.record(
        [
            (globex_northgate.pk, bad),
            (mitigation.subscription_id, put(mitigation.mid)),
            (globex_northgate.pk, bad),
            (globex_northgate.pk, heartbeat()),
        ]
    )

    assert lost == {globex_northgate.pk: 2}
    own, other = WireMessage.objects.order_by("id")
    assert own.mitigation == mitigation
    assert other.subscription == globex_northgate
