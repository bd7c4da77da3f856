"""A request ends another request's filter only with consent."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict, Invalid
from portal.core.targets import PortRange
from portal.mitigations import queries, services
from portal.mitigations.consent import Consent, WouldReplace
from portal.mitigations.models import Mitigation, MitigationRequest, RequestKind, Strategy
from portal.mitigations.states import Trigger
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Provider, Subscription
from tests.factories import ResourceFactory
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import (
    confirm,
    mitigations_of,
    names,
    refuse,
    report,
    status_of,
)

WIDE, HOST = ("2001:db8:10:a0::/60",), ("2001:db8:10:a1::/64",)


@pytest.fixture(autouse=True)
def _network(acme: Organization) -> None:
    ResourceFactory.create(organization=acme, name="Network", value="2001:db8:10::/48")
    ResourceFactory.create(organization=acme, name="Names", kind="fqdn", value="acme.example")


@pytest.fixture
def ask(submit: Submit) -> Submit:
    """Submit with consent only to the named requests."""

    def ask(**changes: Any) -> MitigationRequest:
        consent = changes.pop("consent", Consent())
        return submit(resources=(), consent=consent, **changes)

    return ask


def refused(ask: Submit, **changes: Any) -> dict[str, list[str]]:
    """What each request would lose, by name."""
    count = MitigationRequest.objects.count()
    with pytest.raises(WouldReplace) as caught:
        ask(**changes)
    assert MitigationRequest.objects.count() == count
    return {one["name"]: one["loses"] for one in replaces(caught.value)}


def replaces(error: WouldReplace) -> list[Any]:
    found = error.members["replaces"]
    assert isinstance(found, list)
    return found


def test_a_smaller_request_is_refused_with_what_the_wider_one_would_lose(ask: Submit) -> None:
    ask(prefixes=WIDE)

    assert refused(ask, prefixes=HOST) == {
        "2001:db8:10:a0::/60": ["2001:db8:10:a0::/60 except 2001:db8:10:a1::/64"]
    }


@pytest.mark.parametrize(
    ("live", "newer", "loses"),
    [
        ({"prefixes": HOST}, {"prefixes": WIDE}, []),
        ({"prefixes": HOST}, {"prefixes": HOST}, []),
        (
            {"prefixes": HOST, "protocols": (6, 17)},
            {"prefixes": HOST, "protocols": (6,)},
            ["2001:db8:10:a1::/64 except TCP"],
        ),
        (
            {"prefixes": HOST},
            {"prefixes": HOST, "protocols": (6,), "ports": (PortRange(443, 443),)},
            ["2001:db8:10:a1::/64 except TCP, port 443"],
        ),
        (
            {"prefixes": HOST, "ports": (PortRange(80, 80),)},
            {"prefixes": ("2001:db8:10:a1::7/128",), "ports": (PortRange(443, 443),)},
            ["2001:db8:10:a1::/64 except any protocol, port 443 of 2001:db8:10:a1::7/128"],
        ),
        (
            {"fqdns": ("shop.acme.example", "api.acme.example")},
            {"fqdns": ("shop.acme.example",)},
            ["api.acme.example"],
        ),
        (
            {"uris": ("https://shop.acme.example/",), "prefixes": HOST},
            {"uris": ("https://shop.acme.example/",)},
            ["2001:db8:10:a1::/64"],
        ),
    ],
)
def test_ports_and_protocols_decide_the_loss_but_not_the_overlap(
    ask: Submit, live: dict[str, Any], newer: dict[str, Any], loses: list[str]
) -> None:
    ask(**live)

    assert list(refused(ask, **newer).values()) == [loses]


@pytest.mark.parametrize(
    "newer",
    [
        {"prefixes": ("2001:db8:10:b0::/60",)},
        {"fqdns": ("other.acme.example",)},
        {"uris": ("https://shop.acme.example/",)},
    ],
)
def test_a_request_without_a_common_target_is_sent(ask: Submit, newer: dict[str, Any]) -> None:
    ask(prefixes=WIDE, fqdns=("shop.acme.example",))

    assert ask(**newer).replaces == ()


def test_providers_without_the_other_request_lose_nothing(
    ask: Submit, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    ask(prefixes=WIDE, subscriptions=(acme_northgate.pk,))

    assert names(ask(prefixes=HOST, subscriptions=(acme_tidewall.pk,))) == ["Tidewall"]


def test_a_provider_that_is_asked_only_if_the_first_fails_counts(
    ask: Submit, acme_tidewall: Subscription
) -> None:
    ask(prefixes=WIDE, subscriptions=(acme_tidewall.pk,))

    assert refused(ask, prefixes=HOST, strategy=Strategy.FAILOVER)


def test_the_request_is_created_with_consent_and_records_it(ask: Submit) -> None:
    wide = ask(prefixes=WIDE)

    newer = ask(prefixes=HOST, consent=Consent(named=(wide.pk,), is_exact=True))

    assert newer.replaces == (wide.pk,)


def test_consent_to_one_does_not_cover_another_and_all_are_listed(ask: Submit) -> None:
    first, _ = ask(prefixes=HOST), ask(prefixes=("2001:db8:10:a2::/64",))

    consent = Consent(named=(first.pk,), is_exact=True)

    assert refused(ask, prefixes=WIDE, consent=consent).keys() == {HOST[0], "2001:db8:10:a2::/64"}


def test_a_caller_may_allow_unnamed_requests_that_lose_nothing(ask: Submit) -> None:
    host = ask(prefixes=HOST)

    wider = ask(prefixes=WIDE, consent=Consent(wider_is_free=True))

    assert wider.replaces == (host.pk,)
    assert refused(ask, prefixes=HOST, consent=Consent(wider_is_free=True))


@pytest.mark.parametrize("stranger", ["unknown", "of another tenant", "ended", "elsewhere"])
def test_an_invalid_name_in_replaces_is_an_error_at_its_place(
    ask: Submit,
    alice: User,
    charlie: User,
    globex: Organization,
    globex_northgate: Subscription,
    stranger: str,
) -> None:
    wide = ask(prefixes=WIDE)
    other = uuid4()
    if stranger == "of another tenant":
        ResourceFactory.create(organization=globex, value="2001:db8:10::/48")
        other = services.submit(
            organization=globex, actor=Actor.person(charlie), submission=Submission(prefixes=HOST)
        ).pk
    elif stranger == "ended":
        ended = ask(prefixes=("2001:db8:10:b1::/64",))
        services.terminate(request_id=ended.pk, actor=Actor.person(alice))
        other = ended.pk
    elif stranger == "elsewhere":
        other = ask(prefixes=("2001:db8:10:b1::/64",)).pk

    with pytest.raises(Invalid) as caught:
        ask(prefixes=HOST, consent=Consent(named=(wide.pk, other), is_exact=True))

    [error] = caught.value.errors
    assert (error.field, error.code) == ("replaces.1", "not-replaced")
    assert str(other) not in error.message


def test_ended_and_ending_requests_are_not_replaced(ask: Submit, alice: User) -> None:
    wide = ask(prefixes=WIDE)
    for mitigation in mitigations_of(wide):
        confirm(mitigation)
    services.terminate(request_id=wide.pk, actor=Actor.person(alice))

    assert status_of(wide) == "terminating"
    assert ask(prefixes=HOST).replaces == ()


def test_another_tenants_requests_are_neither_counted_nor_named(
    ask: Submit, charlie: User, globex: Organization, globex_northgate: Subscription
) -> None:
    ResourceFactory.create(organization=globex, value="2001:db8:10::/48")
    services.submit(
        organization=globex, actor=Actor.person(charlie), submission=Submission(prefixes=WIDE)
    )

    assert ask(prefixes=HOST).replaces == ()


def test_a_refusal_does_not_use_up_the_idempotency_key(
    ask: Submit,
) -> None:
    wide = ask(prefixes=WIDE)
    assert refused(ask, prefixes=HOST, key="form-1")

    made = ask(prefixes=HOST, key="form-1", consent=Consent(named=(wide.pk,), is_exact=True))
    again = ask(prefixes=HOST, key="form-1", consent=Consent(named=(wide.pk,), is_exact=True))

    assert again.pk == made.pk


def test_a_repeated_key_returns_the_first_answer_despite_later_requests(ask: Submit) -> None:
    wide = ask(prefixes=WIDE)
    consent = Consent(named=(wide.pk,), is_exact=True)
    made = ask(prefixes=HOST, key="form-1", consent=consent)
    ask(prefixes=WIDE, consent=Consent(named=(wide.pk, made.pk)))

    assert ask(prefixes=HOST, key="form-1", consent=consent).pk == made.pk


def test_one_request_for_both_covers_everything_of_both(ask: Submit, acme: Organization) -> None:
    wide = ask(
        prefixes=WIDE,
        protocols=(17,),
        strategy=Strategy.PARALLEL,
        lifetime_s=7200,
        auto_renew=False,
        reason="Flood",
    )

    both = ask(
        prefixes=("2001:db8:10:a1::/64", "2001:db8:10:b1::/64"),
        protocols=(6,),
        ports=(PortRange(443, 443),),
        consent=Consent(is_joint=True),
    )

    assert list(both.scope.texts) == ["2001:db8:10:a0::/60", "2001:db8:10:b1::/64"]
    assert (both.protocols, both.ports) == ((6, 17), ())
    assert (both.strategy, both.lifetime_s, both.auto_renew) == ("parallel", 7200, True)
    assert (both.replaces, both.reason) == ((wide.pk,), "Flood")
    [one] = queries.replaceable(acme.pk)[:1]
    assert list(one.scope.texts) == ["2001:db8:10:a0::/60"]


def test_one_request_for_both_keeps_the_names_of_resources(
    ask: Submit, submit: Submit, shop: ProtectedResource
) -> None:
    submit()

    both = ask(prefixes=("203.0.113.7/32", *HOST), consent=Consent(is_joint=True))

    assert list(both.resources.all()) == [shop]
    assert list(both.scope.texts) == sorted(["203.0.113.0/26", "203.0.113.7/32", *HOST])
    assert both.name == "Shop front-end and 2 more"


def test_one_request_for_both_includes_further_overlaps(
    ask: Submit, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    ask(prefixes=WIDE, subscriptions=(acme_northgate.pk,))
    ask(prefixes=("2001:db8:10:a2::/64", *_more(3)), subscriptions=(acme_tidewall.pk,))

    both = ask(prefixes=HOST, consent=Consent(is_joint=True))

    assert len(both.replaces) == 2
    assert set(_more(3)) < set(both.scope.texts)


def test_too_much_for_one_request_is_refused_and_nothing_is_sent(ask: Submit) -> None:
    ask(prefixes=(*WIDE, *_more(31)))
    count = MitigationRequest.objects.count()

    with pytest.raises(Invalid):
        ask(prefixes=(*HOST, "203.0.113.7/32", "203.0.113.9/32"), consent=Consent(is_joint=True))
    assert MitigationRequest.objects.count() == count


def _more(count: int) -> tuple[str, ...]:
    return tuple(f"2001:db8:10:{index + 0x100:x}::/64" for index in range(count))


@pytest.fixture
def apart(
    ask: Submit, acme_northgate: Subscription, acme_tidewall: Subscription
) -> tuple[MitigationRequest, MitigationRequest]:
    """One asks Northgate, then Tidewall; a later one has the wider part of it at Tidewall."""
    first = ask(prefixes=HOST)
    later = ask(
        prefixes=WIDE, subscriptions=(acme_tidewall.pk,), consent=Consent(named=(first.pk,))
    )
    confirm(mitigations_of(later)[0])
    report(mitigations_of(later)[0], Trigger.FILTERING)
    return first, later


def test_failover_never_ends_another_requests_filter(
    apart: tuple[MitigationRequest, MitigationRequest],
) -> None:
    first, later = apart

    refuse(mitigations_of(first)[0])

    assert names(first) == ["Northgate"]
    assert queries.newer_overlapping(mitigations_of(later)[0].pk) == []


def test_failover_continues_if_the_other_request_loses_nothing(
    ask: Submit, acme_tidewall: Subscription
) -> None:
    wide = ask(prefixes=WIDE)
    ask(prefixes=HOST, subscriptions=(acme_tidewall.pk,), consent=Consent(named=(wide.pk,)))

    refuse(mitigations_of(wide)[0])

    assert names(wide) == ["Northgate", "Tidewall"]


def test_failover_continues_with_consent(ask: Submit, acme_tidewall: Subscription) -> None:
    wide = ask(prefixes=WIDE, subscriptions=(acme_tidewall.pk,))
    host = ask(prefixes=HOST, consent=Consent(named=(wide.pk,)))

    refuse(mitigations_of(host)[0])

    assert names(host) == ["Northgate", "Tidewall"]


def test_asking_one_provider_needs_consent_too(
    apart: tuple[MitigationRequest, MitigationRequest], dana: User, acme_tidewall: Subscription
) -> None:
    first, later = apart

    with pytest.raises(WouldReplace) as caught:
        services.ask_provider(
            request_id=first.pk, actor=Actor.person(dana), subscription_id=acme_tidewall.pk
        )
    [replaced] = replaces(caught.value)
    assert replaced["request"] == str(later.pk)
    assert replaced["loses"] == ["2001:db8:10:a0::/60 except 2001:db8:10:a1::/64"]
    assert names(first) == ["Northgate"]

    services.ask_provider(
        request_id=first.pk,
        actor=Actor.person(dana),
        subscription_id=acme_tidewall.pk,
        consent=Consent(named=(later.pk,), is_exact=True),
    )

    assert names(first) == ["Northgate", "Tidewall"]
    assert MitigationRequest.objects.get(pk=first.pk).replaces == (later.pk,)


def test_extending_replaces_nothing(
    apart: tuple[MitigationRequest, MitigationRequest], dana: User
) -> None:
    first, later = apart

    services.extend(request_id=first.pk, actor=Actor.person(dana), lifetime_s=7200)

    assert queries.newer_overlapping(mitigations_of(later)[0].pk) == []
    assert Mitigation.objects.count() == 2


def test_a_provider_activated_plan_loses_its_filter_to_a_smaller_request(
    ask: Submit,
) -> None:
    plan = ask_to_hold(ask)
    assert ask(prefixes=HOST).replaces == ()
    for mitigation in mitigations_of(plan):
        report(mitigation, Trigger.FILTERING)
    services.terminate(
        request_id=MitigationRequest.objects.get(kind="immediate").pk,
        actor=plan.requester,
    )

    assert refused(ask, prefixes=HOST) == {
        "Plan": ["2001:db8:10:a0::/60 except 2001:db8:10:a1::/64"]
    }


def ask_to_hold(ask: Submit) -> MitigationRequest:
    alice = User.objects.get(username="alice")
    plan = services.submit(
        organization=Organization.objects.get(slug="acme"),
        actor=Actor.person(alice),
        submission=Submission(prefixes=WIDE, strategy=Strategy.PARALLEL),
        kind=RequestKind.STANDBY,
        name="Plan",
    )
    for mitigation in mitigations_of(plan):
        confirm(mitigation)
    return plan


def test_a_provider_still_waiting_for_its_turn_loses_nothing(
    ask: Submit, acme_northgate: Subscription
) -> None:
    wide = ask(prefixes=WIDE)
    refuse(mitigations_of(wide)[0])
    confirm(mitigations_of(wide)[1])

    assert ask(prefixes=HOST, subscriptions=(acme_northgate.pk,)).replaces == ()


def test_a_refused_request_that_is_being_retried_counts(ask: Submit) -> None:
    wide = ask(prefixes=WIDE)
    for _ in range(2):
        refuse(mitigations_of(wide)[-1])

    assert status_of(wide) == "failing"
    assert refused(ask, prefixes=HOST)


PROTECTED = [
    # live, newer, whether the live one covers all of the newer one
    ({"prefixes": WIDE}, {"prefixes": HOST}, True),
    ({"prefixes": WIDE}, {"prefixes": WIDE}, True),
    ({"prefixes": HOST}, {"prefixes": WIDE}, False),
    ({"prefixes": WIDE, "protocols": (6,)}, {"prefixes": HOST}, False),
    ({"prefixes": WIDE}, {"prefixes": HOST, "protocols": (6,)}, True),
    (
        {"prefixes": WIDE, "ports": (PortRange(80, 443),)},
        {"prefixes": HOST, "ports": (PortRange(443, 443),)},
        True,
    ),
    ({"prefixes": WIDE}, {"prefixes": HOST, "strategy": Strategy.PARALLEL}, False),
    (
        {"prefixes": WIDE, "strategy": Strategy.PARALLEL},
        {"prefixes": HOST, "strategy": Strategy.PARALLEL},
        True,
    ),
    ({"prefixes": WIDE}, {"prefixes": (*HOST, "2001:db8:10:b1::/64")}, False),
]


@pytest.mark.parametrize(("live", "newer", "protects_all"), PROTECTED)
def test_a_live_request_that_already_asks_for_everything_is_named(
    ask: Submit, live: dict[str, Any], newer: dict[str, Any], protects_all: bool
) -> None:
    ask(**live)

    with pytest.raises(WouldReplace) as caught:
        ask(**newer)

    [replaced] = replaces(caught.value)
    assert replaced["protects_all"] is protects_all


def test_a_live_request_at_fewer_providers_does_not_protect_at_all_of_them(
    ask: Submit, acme_northgate: Subscription
) -> None:
    ask(prefixes=WIDE, subscriptions=(acme_northgate.pk,))

    with pytest.raises(WouldReplace) as caught:
        ask(prefixes=HOST)

    [replaced] = replaces(caught.value)
    assert replaced["protects_all"] is False


def test_a_request_is_answered_as_conflict_with_its_own_code() -> None:
    assert issubclass(WouldReplace, Conflict)
    assert (WouldReplace.code, WouldReplace.http_status) == ("would-replace", 409)


def test_targets_a_provider_may_not_protect_lose_nothing_there(
    ask: Submit, northgate: Provider, acme_northgate: Subscription
) -> None:
    Subscription.objects.filter(pk=acme_northgate.pk).update(limited_to=["2001:db8:10:a8::/61"])
    ask(prefixes=("2001:db8:10:a8::/61", "2001:db8:10:a0::/61"), strategy=Strategy.PARALLEL)

    errors = refused(ask, prefixes=HOST, strategy=Strategy.PARALLEL)

    # Only Tidewall holds the lower half.
    assert list(errors.values()) == [
        ["2001:db8:10:a0::/61 except 2001:db8:10:a1::/64", "2001:db8:10:a8::/61"]
    ]
