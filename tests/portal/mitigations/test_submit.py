from __future__ import annotations

import hashlib
import json

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import IdempotencyKeyReused, Invalid
from portal.core.targets import PortRange
from portal.events.models import Event
from portal.events.queries import events_after
from portal.mitigations import queries, services
from portal.mitigations.models import Mitigation, MitigationRequest, Strategy
from portal.mitigations.validation import Submission
from portal.organizations.models import IdempotencyKey, Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.portal.mitigations.conftest import Submit, to_replace_all

pytestmark = pytest.mark.sqlite


def test_failover_asks_only_the_first_provider(
    submit: Submit, acme_northgate: Subscription
) -> None:
    request = submit()

    mitigation = request.mitigations.get()
    assert (mitigation.subscription, mitigation.mid, mitigation.status) == (
        acme_northgate,
        1,
        "pending",
    )
    assert request.status == "requesting"
    assert request.name == "Shop front-end"


def test_parallel_asks_all_providers(submit: Submit) -> None:
    request = submit(Strategy.PARALLEL)

    assert [mitigation.position for mitigation in request.mitigations.all()] == [0, 1]


@pytest.mark.rule("SC-032")
@pytest.mark.rule("SC-033")
def test_a_mid_is_never_assigned_twice(submit: Submit) -> None:
    mids = [submit().mitigations.get().mid for _ in range(3)]

    assert mids == [1, 2, 3]


def test_a_submission_is_logged_and_wakes_the_signal_worker(
    submit: Submit,
    acme: Organization,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        request = submit()

    (event,) = events_after(acme.pk, 0)
    assert event.as_message() == {
        "seq": 1,
        "at": event.at.isoformat().replace("+00:00", "Z"),
        "type": "request.submitted",
        "request": str(request.pk),
        "mitigation": None,
        "data": {
            "actor": "alice",
            "actor_kind": "person",
            "status": "requesting",
            "name": "Shop front-end",
            "kind": "immediate",
        },
    }
    # one wake-up and one broadcast, the wake-up first: on the wire seconds count, on the page they
    # do not
    assert [callback.func.__module__ for callback in callbacks] == [  # type: ignore[attr-defined]  # partials
        "portal.core.broadcast",
        "portal.core.broadcast",
    ]


def test_the_same_key_returns_the_first_request(submit: Submit) -> None:
    first = submit(key="form-1")

    assert submit(key="form-1") == first
    assert MitigationRequest.objects.count() == 1


def test_the_digest_of_a_call_is_the_one_of_the_previous_release(
    submit: Submit, shop: ProtectedResource
) -> None:
    submit(key="form-1", ports=(PortRange(80, 90),), protocols=(6,))

    content = {
        "prefixes": [], "fqdns": [], "uris": [], "resources": [str(shop.pk)],
        "ports": [[80, 90]], "protocols": [6], "lifetime_s": None, "auto_renew": True,
        "strategy": "failover", "subscriptions": [], "reason": "", "kind": "immediate", "name": "",
    }  # fmt: skip
    saved = IdempotencyKey.objects.get().digest
    assert saved == hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def test_the_same_key_for_another_submission_is_refused(submit: Submit) -> None:
    submit(key="form-1")

    with pytest.raises(IdempotencyKeyReused):
        submit(key="form-1", reason="another")
    assert MitigationRequest.objects.count() == 1


def test_a_key_belongs_to_one_person(submit: Submit, acme: Organization, dana: User) -> None:
    first = submit(key="form-1")
    submission = Submission(resources=(first.resources.get().pk,))

    second = services.submit(
        organization=acme,
        actor=Actor.person(dana),
        submission=submission,
        key="form-1",
        consent=to_replace_all(),
    )

    assert second != first


@pytest.mark.parametrize("key", ["k" * 201, "k\0"])
def test_an_invalid_key_is_refused(submit: Submit, key: str) -> None:
    with pytest.raises(Invalid):
        submit(key=key)


def test_a_refused_submission_writes_nothing(submit: Submit) -> None:
    with pytest.raises(Invalid):
        submit(prefixes=("198.51.100.0/24",), key="form-1")

    assert not MitigationRequest.objects.exists()
    assert not Mitigation.objects.exists()
    assert not Event.objects.exists()


def test_another_tenants_resource_and_subscription_are_unknown(
    submit: Submit, globex: Organization, charlie: User, shop: ProtectedResource,
    globex_northgate: Subscription, acme_northgate: Subscription,
) -> None:  # fmt: skip
    submission = Submission(resources=(shop.pk,), subscriptions=(acme_northgate.pk,))

    with pytest.raises(Invalid) as caught:
        services.submit(organization=globex, actor=Actor.person(charlie), submission=submission)

    assert {error.code for error in caught.value.errors} == {
        "unknown-resource",
        "unknown-subscription",
    }


def test_a_used_resource_moves_to_the_front(submit: Submit, acme: Organization) -> None:
    request = submit()

    resource = queries.verified_resources(acme)[0]
    assert resource.id == request.resources.get().pk
