"""A new request that overlaps an unknown mitigation would end it at the provider: every door warns
first.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Invalid
from portal.core.targets import Targets
from portal.inventory import services
from portal.mitigations.consent import Consent, WouldReplace
from portal.mitigations.models import MitigationRequest, RequestKind
from portal.mitigations.unknown import replaceable_unknown
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.standby import services as standby
from tests.conftest import ApiOf, ClientOf
from tests.factories import ResourceFactory
from tests.portal.inventory.conftest import Record, one, reported
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import mitigations_of, names, refuse
from tests.portal.standby.conftest import Prepare
from tests.portal.standby.conftest import prepare as prepare

REQUESTS = "/api/v1/organizations/acme/mitigation-requests"
PLANS = "/api/v1/organizations/acme/standby-plans"
FORM = "/organizations/acme/requests/new"
SHOP, HOST = "203.0.113.0/26", "203.0.113.7/32"
LOSES = [f"{SHOP} except {HOST}"]
BODY = {"targets": {"prefixes": [HOST]}}


@pytest.fixture(autouse=True)
def _own(
    shop: ProtectedResource, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    """Acme may ask both providers to protect the shop."""


@pytest.fixture
def api(dana: User, api_of: ApiOf) -> APIClient:
    return api_of(dana)


def replaces_of(answer: Any) -> list[dict[str, Any]]:
    assert (answer.status_code, answer.json()["code"]) == (409, "would-replace")
    replaces: list[dict[str, Any]] = answer.json()["replaces"]
    return replaces


def test_the_api_names_the_unknown_mitigation_and_sends_only_with_its_id(
    api: APIClient, record: Record
) -> None:
    record(reported(4, SHOP))
    unknown = str(one().pk)

    refused = api.post(REQUESTS, BODY)

    assert replaces_of(refused) == [
        {
            "request": None,
            "unknown_mitigation": unknown,
            "name": SHOP,
            "status": "mitigating",
            "providers": ["Northgate"],
            "loses": LOSES,
            "protects_all": False,
        }
    ]
    assert "what Northgate holds for 203.0.113.0/26" in refused.json()["detail"]
    for path in ("preview", "eligibility"):
        shown = api.post(f"{REQUESTS}/{path}", BODY).json()
        assert (shown["replaces"], shown["would_replace"]) == (replaces_of(refused), True)
        agreed = api.post(f"{REQUESTS}/{path}", {**BODY, "replaces": [unknown]}).json()
        assert agreed["would_replace"] is False
    assert not MitigationRequest.objects.exists()

    sent = api.post(REQUESTS, {**BODY, "replaces": [unknown]})

    assert (sent.status_code, sent.json()["replaces"]) == (202, [unknown])


def test_a_uri_spelled_differently_by_the_provider_still_overlaps(
    api: APIClient, acme: Organization, record: Record
) -> None:
    ResourceFactory.create(organization=acme, name="Names", kind="fqdn", value="shop.example")
    record(reported(4, more={"prefixes": [], "uris": ["https://Shop.example:443"]}))

    refused = api.post(REQUESTS, {"targets": {"uris": ["https://shop.example/"]}})

    assert [one["unknown_mitigation"] for one in replaces_of(refused)] == [str(one().pk)]
    [unknown] = replaceable_unknown(acme.pk, RequestKind.IMMEDIATE)
    assert unknown.scope == Targets.saved(uris=["https://shop.example/"])


def test_activating_a_plan_and_asking_one_provider_give_the_same_answer(
    api: APIClient, record: Record, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    only_tidewall = {**BODY, "subscriptions": [str(acme_tidewall.pk)]}
    plan = api.post(PLANS, {**BODY, "name": "One host"}).json()["id"]
    request = api.post(REQUESTS, only_tidewall).json()["id"]
    record(reported(4, SHOP))
    unknown = str(one().pk)
    ask = {"subscription": str(acme_northgate.pk)}

    for path, body in (
        (f"{REQUESTS}/{request}/mitigations/ask", ask),
        (f"{PLANS}/{plan}/activate", {"replaces": [request]}),
    ):
        [lost] = [one for one in replaces_of(api.post(path, body)) if one["unknown_mitigation"]]
        assert (lost["unknown_mitigation"], lost["loses"]) == (unknown, LOSES)
        agreed = {**body, "replaces": [*body.get("replaces", []), unknown]}
        answer = api.post(path, agreed)
        assert answer.status_code == 202, answer.json()
        assert unknown in answer.json()["replaces"]


def page(answer: Any) -> str:
    bare = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return " ".join(html.unescape(bare).split())


def test_the_form_warns_and_sends_the_request_alone_or_combined(
    record: Record, dana: User, client_of: ClientOf
) -> None:
    record(reported(4, SHOP))
    browser = client_of(dana)
    typed = {"key": "a", "other": HOST, "lifetime": "3600", "strategy": "failover"}

    answer = browser.post(FORM, typed)

    assert answer.status_code == 409
    said = page(answer)
    assert (
        "Sending only this ends some of what Northgate holds for 203.0.113.0/26, which no "
        "request here asked for"
    ) in said
    assert "At Northgate, 63 of 64 addresses of 203.0.113.0/26 lose their filter." in said
    assert "Send for both" in said

    browser.post(FORM, {**typed, "both": "1"})
    both = MitigationRequest.objects.get()
    assert list(both.scope.texts) == [SHOP]
    assert both.replaces == (one().pk,)

    alone = browser.post(FORM, {**typed, "key": "b", "only": "1", "replaces": [one().pk, both.pk]})
    assert alone.status_code == 302


def test_an_unknown_mitigation_that_covers_everything_is_offered_instead(
    record: Record, dana: User, client_of: ClientOf, acme_tidewall: Subscription
) -> None:
    Subscription.objects.filter(pk=acme_tidewall.pk).update(enabled=False)
    typed = {"key": "a", "other": HOST, "lifetime": "3600", "strategy": "failover"}
    browser = client_of(dana)

    record(reported(4, SHOP))
    said = page(browser.post(FORM, typed))
    assert "Already protected by what Northgate holds for 203.0.113.0/26" in said
    assert "Adopt or withdraw it" in said

    record(reported(4, SHOP), at=timezone.now() - timedelta(minutes=5))
    assert "May already be protected by what Northgate holds" in page(browser.post(FORM, typed))


def test_a_lossless_replacement_is_sent_from_the_form_and_named_in_the_api(
    api: APIClient, record: Record, dana: User, client_of: ClientOf
) -> None:
    record(reported(4, HOST))
    wide = {"targets": {"prefixes": [SHOP]}}

    assert replaces_of(api.post(REQUESTS, wide))[0]["loses"] == []
    typed = {"key": "a", "other": SHOP, "lifetime": "3600", "strategy": "failover"}
    assert client_of(dana).post(FORM, typed).status_code == 302


def _withdrawn(actor: User) -> None:
    services.withdraw(unknown_id=one().pk, actor=Actor.person(actor))


NOTHING_IS_LOST = [
    pytest.param({"prefix": "203.0.113.64/26"}, None, id="other addresses"),
    pytest.param({"dots_status": 5}, None, id="winds down"),
    pytest.param({"dots_status": 7}, None, id="the provider withdrew it"),
    pytest.param(
        {"dots_status": 7, "is_preconfigured": True},
        None,
        id="a plan it stopped holding",
    ),
    pytest.param({"dots_status": 8, "is_preconfigured": True}, None, id="a plan, only held"),
    pytest.param({"lifetime_s": 0}, None, id="its lifetime is over"),
    pytest.param({"more": {"prefixes": []}}, None, id="not described"),
    pytest.param({"more": {"prefixes": [], "aliases": ["shop"]}}, None, id="an alias alone"),
    pytest.param({}, _withdrawn, id="a person withdrew it"),
]


@pytest.mark.parametrize(("fields", "act"), NOTHING_IS_LOST)
def test_replacing_an_ending_or_disjoint_mitigation_needs_no_consent(
    record: Record,
    submit: Submit,
    dana: User,
    fields: dict[str, Any],
    act: Callable[[User], None] | None,
) -> None:
    record(reported(4, **{"prefix": SHOP, **fields}))
    if act is not None:
        act(dana)

    assert submit(resources=(), prefixes=(HOST,), consent=Consent()).replaces == ()


COUNTS = [
    pytest.param({}, id="filters"),
    pytest.param({"dots_status": None}, id="without a status"),
    pytest.param({"dots_status": 2, "is_preconfigured": True}, id="a plan that it activated"),
    pytest.param({"prefix": "203.0.113.7/26"}, id="spelled with host bits"),
    pytest.param({"more": {"aliases": ["shop"]}}, id="an alias too"),
    pytest.param({"more": {"prefixes": [SHOP, "nonsense"]}}, id="nonsense too"),
]


@pytest.mark.parametrize("fields", COUNTS)
def test_every_other_unknown_mitigation_needs_consent(
    record: Record, submit: Submit, fields: dict[str, Any]
) -> None:
    record(reported(4, **{"prefix": SHOP, **fields}))

    with pytest.raises(WouldReplace):
        submit(resources=(), prefixes=(HOST,), consent=Consent())


def test_an_unknown_mitigation_of_another_tenant_is_neither_counted_nor_named(
    record: Record, submit: Submit, globex: Organization, globex_northgate: Subscription
) -> None:
    record(reported(4, SHOP), subscription=globex_northgate)
    named = Consent(named=(one().pk,), is_exact=True)

    with pytest.raises(Invalid) as caught:
        submit(resources=(), prefixes=(HOST,), consent=named)

    assert caught.value.errors[0].code == "not-replaced"
    assert submit(resources=(), prefixes=(HOST,), consent=Consent()).replaces == ()


def test_failover_skips_a_provider_where_protection_would_be_lost(
    record: Record, submit: Submit, acme_tidewall: Subscription
) -> None:
    request = submit(resources=(), prefixes=(HOST,))
    record(reported(4, SHOP), subscription=acme_tidewall)

    refuse(mitigations_of(request)[0])

    assert names(request) == ["Northgate"]


def test_failover_ignores_mitigations_the_provider_withdrew(
    record: Record, submit: Submit, acme_tidewall: Subscription
) -> None:
    request = submit(resources=(), prefixes=(HOST,))
    record(reported(4, SHOP, dots_status=7), subscription=acme_tidewall)

    refuse(mitigations_of(request)[0])

    assert names(request) == ["Northgate", "Tidewall"]


@pytest.mark.parametrize("is_agreed", [False, True])
def test_failover_continues_if_nothing_is_lost_or_a_person_agreed(
    record: Record, submit: Submit, acme_tidewall: Subscription, *, is_agreed: bool
) -> None:
    record(reported(4, SHOP if is_agreed else HOST), subscription=acme_tidewall)
    request = submit(resources=(), prefixes=(HOST,), consent=Consent(named=(one().pk,)))

    refuse(mitigations_of(request)[0])

    assert names(request) == ["Northgate", "Tidewall"]


def test_a_plan_replaces_only_an_unknown_mitigation_it_covers(
    record: Record, prepare: Prepare, dana: User, acme_tidewall: Subscription
) -> None:
    for status in (7, 8):
        record(reported(4, "203.0.113.0/25", dots_status=status, is_preconfigured=True))

        with pytest.raises(Invalid) as caught:
            prepare()
        assert [error.code for error in caught.value.errors] == ["overlaps-unknown"]

    record(reported(4, SHOP, dots_status=8, is_preconfigured=True))
    assert prepare().is_on


def test_a_drill_does_not_touch_an_unknown_plan(
    record: Record, acme: Organization, dana: User, acme_tidewall: Subscription
) -> None:
    # After the shop in the order in which a drill looks for a target.
    ResourceFactory.create(organization=acme, name="Warehouse", value="198.51.100.0/24")
    record(reported(4, SHOP, dots_status=8, is_preconfigured=True))

    drill = standby.start_drill(organization=acme, actor=Actor.person(dana))

    asked = {
        check.subscription.provider.short_name: check.mitigation.scope.texts[0]
        for check in drill.checks.select_related("subscription__provider", "mitigation")
    }
    assert asked["Northgate"].startswith("198.51.100.")
