"""Limits on live requests: every door refuses one more with the same code, and what ends or
prolongs a live request works at the limit.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.consent import Consent
from portal.mitigations.models import EndedBy, MitigationRequest
from portal.mitigations.quota import (
    MAX_ENDING_PER_REQUEST,
    MIN_ENDING,
    Excess,
    Quota,
    QuotaExceeded,
    Usage,
    excess,
)
from portal.mitigations.states import RequestStatus, Trigger
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.standby import services as standby
from portal.standby.models import StandbyPlan
from tests.conftest import ApiOf, ClientOf
from tests.factories import ServiceTokenFactory
from tests.portal.inventory.conftest import Record, one, reported
from tests.portal.inventory.conftest import record as record
from tests.portal.mitigations.rows import confirm, mitigations_of, report, status_of
from tests.portal.web.conftest import text_of, typed

API = "/api/v1/organizations/acme"
PAGES = "/organizations/acme"


def submit(
    organization: Organization, actor: Actor, last: int, **options: Any
) -> MitigationRequest:
    return services.submit(
        organization=organization,
        actor=actor,
        submission=Submission(prefixes=(f"203.0.113.{last}/32",)),
        **options,
    )


def limit(organization: Organization, *, most: int = 100, person: int = 20) -> None:
    organization.max_live_requests = most
    organization.max_live_requests_per_person = person
    organization.save()


@pytest.fixture
def live(
    acme: Organization,
    dana: User,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> MitigationRequest:
    """The one live request that dana may have: Northgate filters 203.0.113.1."""
    limit(acme, person=1)
    request = submit(acme, Actor.person(dana), 1)
    [first] = mitigations_of(request)
    confirm(first)
    report(first, Trigger.FILTERING)
    return MitigationRequest.objects.get(pk=request.pk)


@pytest.fixture
def plan(acme: Organization, alice: User, live: MitigationRequest) -> StandbyPlan:
    submission = Submission(prefixes=("203.0.113.16/28",))
    return standby.create_plan(
        organization=acme, actor=Actor.person(alice), name="Flood", submission=submission
    )


def test_every_door_refuses_one_request_too_many_and_says_so_before(
    live: MitigationRequest,
    plan: StandbyPlan,
    record: Record,
    dana: User,
    api_of: ApiOf,
    client_of: ClientOf,
) -> None:
    record(reported(99, "203.0.113.40/32"))
    api, browser = api_of(dana), client_of(dana)
    before = MitigationRequest.objects.count()
    new = {"targets": {"prefixes": ["203.0.113.2/32"]}}
    sentence = "You have 1 live request in Acme; the limit for one person is 1. Terminate one, "

    for path, body in {
        "mitigation-requests": new,
        f"standby-plans/{plan.pk}/activate": {},
        f"unknown-mitigations/{one().pk}/adopt": {},
    }.items():
        answer = api.post(f"{API}/{path}", body, format="json")
        problem = answer.json()
        assert answer.status_code == 409, path
        assert (problem["code"], problem["limit"], problem["live"], problem["ending"]) == (
            "quota-person", 1, 1, 0
        ), path  # fmt: skip
        assert problem["detail"].startswith(f"Nothing was sent. {sentence}")
        assert "Retry-After" not in answer
    for path in ("preview", "eligibility"):
        quota = api.post(f"{API}/mitigation-requests/{path}", new, format="json").json()["quota"]
        assert (quota["code"], quota["limit"], quota["live"]) == ("quota-person", 1, 1)

    form = typed(other="203.0.113.2")
    sent = browser.post(f"{PAGES}/requests/new", form)
    assert sent.status_code == 409
    assert "203.0.113.2" in sent.content.decode()
    pages = [
        sent,
        browser.get(f"{PAGES}/requests/new"),
        browser.post(f"{PAGES}/requests/new", {**form, "check": "1"}),
        browser.post(f"{PAGES}/requests/preview", form),
        browser.get(f"{PAGES}/standby/{plan.pk}/activate"),
        browser.post(f"{PAGES}/standby/{plan.pk}/activate", {"key": "k"}, follow=True),
        browser.post(f"{PAGES}/unknown-mitigations/{one().pk}/adopt", follow=True),
    ]
    for number, page in enumerate(pages):
        assert sentence in text_of(page.content.decode()), number
    assert MitigationRequest.objects.count() == before


def test_a_person_ends_and_extends_requests_at_the_limit(
    live: MitigationRequest,
    acme: Organization,
    acme_tidewall: Subscription,
    alice: User,
    dana: User,
    api_of: ApiOf,
) -> None:
    api, url = api_of(dana), f"{API}/mitigation-requests/{live.pk}"
    ended, now = submit(acme, Actor.person(alice), 50), timezone.now()
    MitigationRequest.objects.filter(pk=ended.pk).update(
        status=RequestStatus.EXPIRED, ended_by=EndedBy.LIFETIME, ended_at=now
    )
    acknowledged = api.post(
        f"{API}/mitigation-requests/{ended.pk}/acknowledge", {"ended_at": now}, format="json"
    )
    tidewall = {"subscription": str(acme_tidewall.pk)}

    assert acknowledged.status_code == 200
    assert api.post(f"{url}/mitigations/ask", tidewall, format="json").status_code == 202
    second = live.mitigations.get(subscription=acme_tidewall)
    for path, body in {
        "extend": {"lifetime": 7200},
        "efficacy": {"attack_status": "under-attack"},
        f"mitigations/{second.pk}/withdraw": {},
        "terminate": {},
    }.items():
        answer = api.post(f"{url}/{path}", body, format="json")
        assert answer.status_code == 202, (path, answer.content)

    assert status_of(live) == RequestStatus.TERMINATING
    submit(acme, Actor.person(dana), 2)
    with pytest.raises(QuotaExceeded) as refused:
        submit(acme, Actor.person(dana), 3)
    assert refused.value.members == {"limit": 1, "live": 1, "ending": 1}


def test_each_actor_and_each_organization_has_its_own_limit(
    live: MitigationRequest, acme: Organization, globex: Organization, alice: User, dana: User
) -> None:
    limit(acme, most=4, person=1)
    submit(acme, Actor.person(alice), 2)
    scrubber, other = (ServiceTokenFactory.create(organization=acme) for _ in range(2))
    submit(acme, Actor.service_token(scrubber.pk, "scrubber"), 3)
    codes = {}
    for name, actor in {
        "token": Actor.service_token(scrubber.pk, "scrubber"),
        "person": Actor.person(dana),
    }.items():
        with pytest.raises(QuotaExceeded) as refused:
            submit(acme, actor, 9)
        codes[name] = refused.value.code
    submit(acme, Actor.alert_source("1", "scrubber"), 4)
    with pytest.raises(QuotaExceeded) as refused:
        submit(acme, Actor.service_token(other.pk, "other"), 9)

    assert codes == {"token": "quota-actor", "person": "quota-person"}
    assert refused.value.code == "quota-organization"
    assert "Acme has 4 live requests; its limit is 4." in refused.value.message


def test_a_request_may_replace_another_at_the_limit(
    live: MitigationRequest, acme: Organization, dana: User, api_of: ApiOf
) -> None:
    body = {"targets": {"prefixes": ["203.0.113.0/30"]}, "replaces": [str(live.pk)]}

    previewed = api_of(dana).post(f"{API}/mitigation-requests/preview", body, format="json")
    sent = api_of(dana).post(f"{API}/mitigation-requests", body, format="json")
    with pytest.raises(QuotaExceeded) as refused:
        submit(acme, Actor.person(dana), 9)

    assert previewed.json()["quota"] is None
    assert sent.status_code == 202
    assert refused.value.members == {"limit": 1, "live": 2, "ending": 0}


def test_a_repeated_call_gets_its_first_request_at_the_limit(
    live: MitigationRequest, acme: Organization, alice: User
) -> None:
    first = submit(acme, Actor.person(alice), 2, key="k")

    assert submit(acme, Actor.person(alice), 2, key="k") == first


def test_submitting_and_terminating_in_a_loop_stops_at_a_limit(
    live: MitigationRequest, plan: StandbyPlan, acme: Organization, dana: User, api_of: ApiOf
) -> None:
    services.terminate(request_id=live.pk, actor=Actor.person(dana))
    for _ in range(MIN_ENDING - 1):
        request = submit(acme, Actor.person(dana), 2, consent=Consent(is_joint=True))
        confirm(mitigations_of(request)[0])
        services.terminate(request_id=request.pk, actor=Actor.person(dana))

    body = {"targets": {"prefixes": ["203.0.113.2/32"]}}
    answers = [
        api_of(dana).post(f"{API}/mitigation-requests", body, format="json"),
        api_of(dana).post(
            f"{API}/standby-plans",
            {"name": "Other", "targets": {"prefixes": ["203.0.113.50/32"]}},
            format="json",
        ),
        api_of(dana).patch(
            f"{API}/standby-plans/{plan.pk}",
            {"targets": {"prefixes": ["203.0.113.24/29"]}},
            format="json",
        ),
    ]

    for answer in answers:
        assert (answer.status_code, answer["Retry-After"]) == (409, "30")
        assert answer.json()["code"] == "quota-ending"
        assert "30 requests of yours are still ending; the limit is 30." in answer.json()["detail"]


def test_asking_and_withdrawing_a_provider_in_a_loop_stops_at_a_limit(
    live: MitigationRequest, acme_tidewall: Subscription, dana: User
) -> None:
    actor = Actor.person(dana)

    def ask() -> None:
        services.ask_provider(request_id=live.pk, actor=actor, subscription_id=acme_tidewall.pk)

    for _ in range(MAX_ENDING_PER_REQUEST):
        ask()
        newest = live.mitigations.filter(subscription=acme_tidewall).latest("mid")
        confirm(newest, timezone.now())
        services.withdraw_provider(request_id=live.pk, mitigation_id=newest.pk, actor=actor)
    with pytest.raises(QuotaExceeded) as refused:
        ask()

    assert refused.value.code == "quota-ending-mitigations"
    services.terminate(request_id=live.pk, actor=actor)


@pytest.mark.parametrize(
    ("whole", "own", "options", "expected"),
    [
        (Usage(99, 299), Usage(19, 59), {}, None),
        (Usage(99, 0), Usage(20, 0), {}, (Quota.PERSON, 20)),
        (Usage(100, 0), Usage(0, 0), {}, (Quota.ORGANIZATION, 100)),
        (Usage(100, 0), Usage(20, 0), {"is_person": False}, (Quota.ACTOR, 20)),
        (Usage(0, 300), Usage(0, 0), {}, (Quota.ENDING, 300)),
        (Usage(0, 60), Usage(0, 60), {}, (Quota.ENDING, 60)),
        (Usage(100, 0), Usage(20, 0), {"is_immediate": False}, None),
        (Usage(0, 300), Usage(0, 0), {"is_immediate": False}, (Quota.ENDING, 300)),
        (Usage(1, 0), Usage(1, 0), {"limit": 1, "own_limit": 20}, (Quota.ORGANIZATION, 1)),
        (Usage(0, 29), Usage(0, 29), {"limit": 1, "own_limit": 1}, None),
        (Usage(500, 0), Usage(0, 0), {}, (Quota.ORGANIZATION, 100)),
    ],
)
def test_the_first_limit_that_is_reached(
    whole: Usage, own: Usage, options: dict[str, Any], expected: tuple[Quota, int] | None
) -> None:
    found = excess(whole, own, **{"limit": 100, "own_limit": 20, "is_person": True, **options})

    assert (found and (found.code, found.limit)) == expected
    assert found is None or isinstance(found, Excess)
