"""A source other than a person requests mitigation, and every door names it."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import uuid4

import pytest

from portal.accounts.actors import Actor, ActorKind
from portal.accounts.models import User
from portal.core.errors import IdempotencyKeyReused, NotAllowed
from portal.events.models import Event, EventType
from portal.inventory import services as inventory
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest
from portal.mitigations.services import SeenEnd
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.standby import services as standby
from tests.conftest import ApiOf, ClientOf
from tests.factories import ResourceFactory, ServiceTokenFactory

pytestmark = pytest.mark.django_db

HISTORY = "/organizations/acme/requests"
PROGRAM = uuid4()
NOT_PERSONS = [
    (Actor.service_token(PROGRAM, "night shift"), "the token ‘night shift’"),
    (Actor.alert_source(uuid4(), "FastNetMon"), "the alert source FastNetMon"),
    (Actor.provider(uuid4(), "Northgate"), "Northgate"),
    (Actor.policy(), "the portal&#x27;s policy"),
    (Actor.portal(), "the portal"),
]


@pytest.fixture
def shop(acme: Organization) -> ProtectedResource:
    return ResourceFactory.create(organization=acme, name="Shop", value="203.0.113.0/26")


@pytest.fixture
def submit(
    acme: Organization, shop: ProtectedResource, acme_northgate: Subscription
) -> Callable[..., MitigationRequest]:
    def submit(actor: Actor, **more: str) -> MitigationRequest:
        submission = Submission(resources=(shop.pk,), reason=more.pop("reason", ""))
        return services.submit(organization=acme, actor=actor, submission=submission, **more)  # type: ignore[arg-type]

    return submit


@pytest.mark.parametrize(("actor", "words"), NOT_PERSONS, ids=lambda one: getattr(one, "kind", ""))
def test_pages_and_api_show_the_source_of_a_request(
    actor: Actor,
    words: str,
    submit: Callable[..., MitigationRequest],
    alice: User,
    client_of: ClientOf,
    api_of: ApiOf,
) -> None:
    ServiceTokenFactory.create(organization=Organization.objects.get(), pk=PROGRAM)
    request = submit(actor)

    browser, url = client_of(alice), request.get_absolute_url()
    pages = [url, HISTORY, f"{HISTORY}?order=person", "/organizations/acme/"]
    for page in [browser.get(path).content.decode() for path in pages]:
        assert words in page
        assert "None" not in re.sub(r"<[^>]*>", "", page)
    first = f"{words[:1].upper()}{words[1:]}"
    assert f"{first} requested mitigation for Shop." in browser.get(url).content.decode()
    report = browser.get(f"{url}/report.txt").content.decode()
    assert f"Asked by: {words.replace('&#x27;', chr(39))}," in report
    shown = api_of(alice).get(f"/api/v1/organizations/acme/mitigation-requests/{request.pk}").json()
    by = words.removeprefix("the ") if actor.kind == ActorKind.SERVICE_TOKEN else None
    assert (shown["origin"], shown["created_by"]) == (actor.kind, by)
    event = Event.objects.get(type=EventType.REQUEST_SUBMITTED)
    assert (event.actor, event.data["actor_kind"]) == (None, actor.kind)
    assert event.data.get("actor", "") == actor.name


def test_a_request_by_a_person_names_the_person(
    submit: Callable[..., MitigationRequest], alice: User, api_of: ApiOf
) -> None:
    request = submit(Actor.person(alice))

    shown = api_of(alice).get(f"/api/v1/organizations/acme/mitigation-requests/{request.pk}").json()
    assert (shown["origin"], shown["created_by"]) == ("person", "alice")


def test_requests_are_found_by_the_name_of_their_source(
    submit: Callable[..., MitigationRequest], alice: User, client_of: ClientOf
) -> None:
    request = submit(Actor.alert_source(uuid4(), "FastNetMon"))

    page = client_of(alice).get(HISTORY, {"find": "fastnet"}).content.decode()

    assert request.get_absolute_url() in page


def test_an_idempotency_key_belongs_to_one_source(
    submit: Callable[..., MitigationRequest], acme: Organization
) -> None:
    source = Actor.alert_source(uuid4(), "FastNetMon")
    first = submit(source, key="alert-7")

    assert submit(source, key="alert-7") == first
    with pytest.raises(IdempotencyKeyReused):
        submit(source, key="alert-7", reason="another")
    namesake = Actor.alert_source(uuid4(), "FastNetMon")
    submission = Submission(resources=tuple(first.resources.values_list("pk", flat=True)))
    assert not services.submitted_before(
        organization=acme, actor=namesake, submission=submission, key="alert-7"
    )


SOURCE = Actor.alert_source(uuid4(), "FastNetMon")
ONLY_PERSONS: dict[str, Callable[[Organization], object]] = {
    "terminate": lambda _: services.terminate(request_id=uuid4(), actor=SOURCE),
    "ask a provider": lambda _: services.ask_provider(request_id=uuid4(), actor=SOURCE),
    "withdraw a provider": lambda _: services.withdraw_provider(
        request_id=uuid4(), mitigation_id=uuid4(), actor=SOURCE
    ),
    "stop filtering": lambda _: services.stop_filtering(request_id=uuid4(), actor=SOURCE),
    "acknowledge": lambda _: services.acknowledge(SeenEnd(uuid4(), None), actor=SOURCE),
    "prepare a plan": lambda acme: standby.create_plan(
        organization=acme, actor=SOURCE, name="Shop", submission=Submission()
    ),
    "start a drill": lambda acme: standby.start_drill(organization=acme, actor=SOURCE),
    "adopt": lambda _: inventory.adopt(unknown_id=uuid4(), actor=SOURCE),
    "withdraw an unknown mitigation": lambda _: inventory.withdraw(
        unknown_id=uuid4(), actor=SOURCE
    ),
}


@pytest.mark.parametrize("act", ONLY_PERSONS.values(), ids=ONLY_PERSONS)
def test_actions_reserved_for_people_are_refused_to_other_sources(
    act: Callable[[Organization], object], acme: Organization
) -> None:
    with pytest.raises(NotAllowed) as refused:
        act(acme)

    assert refused.value.code == "persons-only"
    assert not Event.objects.exists()
