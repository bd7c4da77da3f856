"""One request can cover what it and the live ones ask for."""

from __future__ import annotations

from typing import Any

import pytest

from portal.core.errors import Invalid
from portal.core.targets import PortRange
from portal.mitigations import queries
from portal.mitigations.consent import Consent, WouldReplace
from portal.mitigations.models import MitigationRequest, Strategy
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.replacement.conftest import HOST, WIDE, replaces


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
