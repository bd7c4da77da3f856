"""A request ends another request's filter only with consent."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict, Invalid
from portal.core.targets import PortRange
from portal.mitigations import services
from portal.mitigations.consent import Consent, WouldReplace
from portal.mitigations.models import Strategy
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization
from portal.providers.models import Provider, Subscription
from tests.factories import ResourceFactory
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.replacement.conftest import HOST, WIDE, refused
from tests.portal.mitigations.rows import (
    confirm,
    mitigations_of,
    names,
    status_of,
)


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
