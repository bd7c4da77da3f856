"""A request ends once a newer one that may replace it filters all of it, even if no provider would
end it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.targets import Targets
from portal.events.models import Event
from portal.mitigations import queries, services
from portal.mitigations.consent import Consent
from portal.mitigations.models import Mitigation, MitigationRequest, ProviderConflict, Strategy
from portal.mitigations.services import redundant_requests
from portal.mitigations.states import Trigger
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import (
    NOW,
    confirm,
    mitigations_of,
    refuse,
    report,
    status_of,
)

PART, WIDE = ("203.0.113.7/32",), ("203.0.113.0/28",)
BOTH = Consent(is_joint=True)


@pytest.fixture
def ask(submit: Submit) -> Submit:
    def ask(*prefixes: str, **changes: Any) -> MitigationRequest:
        return submit(resources=(), prefixes=prefixes, **changes)

    return ask


def filters(mitigation: Mitigation) -> None:
    confirm(mitigation)
    report(mitigation, Trigger.FILTERING)


@pytest.fixture
def older(ask: Submit) -> MitigationRequest:
    """Northgate refused it; Tidewall filters."""
    request = ask(*PART)
    refuse(mitigations_of(request)[0])
    filters(mitigations_of(request)[1])
    return request


def test_one_request_for_both_leaves_no_mitigation_at_the_other_provider(
    ask: Submit, older: MitigationRequest, acme: Organization
) -> None:
    both = ask(*WIDE, consent=BOTH)
    [northgate] = mitigations_of(both)
    confirm(northgate)
    # Accepted is not filtering: until then Tidewall's is the only filter.
    assert services.terminate_redundant(now=NOW) == 0

    report(northgate, Trigger.FILTERING)

    assert services.terminate_redundant(now=NOW) == 1
    assert services.terminate_redundant(now=NOW) == 0
    refused, tidewall = mitigations_of(older)
    assert (refused.wanted, tidewall.status) == ("withdrawn", "terminating")
    report(tidewall, Trigger.ENDED)
    ended = MitigationRequest.objects.get(pk=older.pk)
    assert (ended.status, ended.ended_by) == ("terminated", "portal")
    assert status_of(both) == "mitigating"
    assert list(queries.ended_by_itself(acme)) == []
    event = Event.objects.get(type="request.terminate_requested")
    assert (event.data["newer"], event.actor) == (str(both.pk), None)


def _refused_everywhere(request: MitigationRequest) -> None:
    report(mitigations_of(request)[1], Trigger.PROVIDER_WITHDREW)


def _replaced_where_it_was_filtered(request: MitigationRequest) -> None:
    [both] = MitigationRequest.objects.exclude(pk=request.pk)
    refuse(mitigations_of(both)[0])
    services.record_superseded(
        mitigation_id=mitigations_of(request)[1].pk,
        conflict=ProviderConflict(reason="newer"),
        now=NOW,
    )


@pytest.mark.parametrize("becomes", [_refused_everywhere, _replaced_where_it_was_filtered])
def test_a_refused_mitigation_is_not_retried_beside_the_request_for_both(
    ask: Submit, older: MitigationRequest, becomes: Callable[[MitigationRequest], None]
) -> None:
    both = ask(*WIDE, consent=BOTH)
    becomes(older)
    assert status_of(older) == "failing"

    filters(mitigations_of(both)[-1])
    services.terminate_redundant(now=NOW)

    assert status_of(older) in ("terminating", "terminated")
    Mitigation.objects.filter(request=older).update(retry_at=NOW - timedelta(seconds=1))
    assert services.mark_due_again(now=NOW) == 0


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ({"prefixes": PART}, {"prefixes": WIDE}),
        ({"prefixes": WIDE, "protocols": (17,)}, {"prefixes": PART}),
        ({"prefixes": WIDE}, {"prefixes": PART, "strategy": Strategy.PARALLEL}),
    ],
)
def test_a_request_continues_if_the_newer_one_filters_only_part_of_it(
    ask: Submit, newer: dict[str, Any], older: dict[str, Any]
) -> None:
    first = ask(*older.pop("prefixes"), **older)
    refuse(mitigations_of(first)[0])
    filters(mitigations_of(first)[1])
    second = ask(*newer.pop("prefixes"), **newer)
    filters(mitigations_of(second)[0])

    assert services.terminate_redundant(now=NOW) == 0
    assert status_of(first) == "mitigating"


def test_a_newer_request_that_is_silent_stopped_or_not_allowed_to_replace_it_does_not_end_it(
    ask: Submit, older: MitigationRequest, acme_northgate: Subscription
) -> None:
    both = ask(*WIDE, consent=BOTH)
    [northgate] = mitigations_of(both)
    filters(northgate)
    later = NOW + timedelta(minutes=5)
    assert services.terminate_redundant(now=later) == 0
    MitigationRequest.objects.filter(pk=both.pk).update(replaces=[])
    assert services.terminate_redundant(now=NOW) == 0
    MitigationRequest.objects.filter(pk=both.pk).update(replaces=[str(older.pk)])
    report(northgate, Trigger.PROVIDER_WITHDREW)
    assert services.terminate_redundant(now=NOW) == 0

    assert status_of(older) == "mitigating"


SHORT: dict[str, Any] = {"auto_renew": False}
LONG = {**SHORT, "lifetime_s": 7200}
INDEFINITE = {**SHORT, "lifetime_s": -1}
RENEWS: dict[str, Any] = {}


def _filters_as_asked(mitigation: Mitigation) -> None:
    services.record_sending(mitigation_id=mitigation.pk, now=NOW)
    services.record_confirmed(
        mitigation_id=mitigation.pk, lifetime_s=mitigation.lifetime_s, asked_at=NOW, now=NOW
    )
    report(mitigation, Trigger.FILTERING)


def _is_extended(request: MitigationRequest, lifetime_s: int, *, confirmed: bool = False) -> None:
    services.extend(request_id=request.pk, actor=request.requester, lifetime_s=lifetime_s)
    if confirmed:
        for mitigation in Mitigation.objects.filter(request=request, status="mitigating"):
            now = mitigation.refresh_asked_at
            assert now is not None
            services.record_confirmed(
                mitigation_id=mitigation.pk,
                lifetime_s=lifetime_s,
                asked_at=now,
                extended_at=mitigation.refresh_asked_at,
                now=now,
            )


def _nothing(older: MitigationRequest, newer: MitigationRequest) -> None:
    pass


def _older_is_extended(older: MitigationRequest, newer: MitigationRequest) -> None:
    _is_extended(older, 7200)


def _both_are_extended(older: MitigationRequest, newer: MitigationRequest) -> None:
    _is_extended(older, 7200, confirmed=True)
    _is_extended(newer, 7200, confirmed=True)


def _newer_is_to_be_shorter(older: MitigationRequest, newer: MitigationRequest) -> None:
    _is_extended(newer, 600)


def _older_is_withdrawn_by_its_provider(older: MitigationRequest, newer: MitigationRequest) -> None:
    report(mitigations_of(older)[1], Trigger.PROVIDER_WITHDREW)


def _granted_time_is_unknown(older: MitigationRequest, newer: MitigationRequest) -> None:
    Mitigation.objects.filter(request=newer).update(expires_at=None)


@pytest.mark.parametrize(
    ("older", "newer", "happens", "ended"),
    [
        pytest.param(RENEWS, SHORT, _nothing, 0, id="only the older one renews automatically"),
        pytest.param(RENEWS, INDEFINITE, _nothing, 1, id="the newer one has no end"),
        pytest.param(INDEFINITE, LONG, _nothing, 0, id="only the older one has no end"),
        pytest.param(INDEFINITE, RENEWS, _nothing, 1, id="the newer one renews automatically"),
        pytest.param(LONG, SHORT, _nothing, 0, id="shorter"),
        pytest.param(SHORT, SHORT, _nothing, 1, id="as long"),
        pytest.param(SHORT, LONG, _nothing, 1, id="longer"),
        pytest.param(SHORT, SHORT, _older_is_extended, 0, id="the older one is extended"),
        pytest.param(SHORT, SHORT, _both_are_extended, 1, id="both are extended"),
        pytest.param(SHORT, LONG, _newer_is_to_be_shorter, 0, id="about to become shorter"),
        pytest.param(SHORT, LONG, _granted_time_is_unknown, 0, id="for an unknown time"),
        pytest.param(
            SHORT, LONG, _older_is_withdrawn_by_its_provider, 0, id="would be asked again"
        ),
        pytest.param(
            SHORT, RENEWS, _older_is_withdrawn_by_its_provider, 1, id="would be asked in vain"
        ),
    ],
)
def test_only_a_request_that_lasts_as_long_ends_the_older_one(
    ask: Submit,
    older: dict[str, Any],
    newer: dict[str, Any],
    happens: Callable[[MitigationRequest, MitigationRequest], None],
    ended: int,
) -> None:
    first = ask(*PART, **older)
    refuse(mitigations_of(first)[0])
    _filters_as_asked(mitigations_of(first)[1])
    second = ask(*WIDE, **newer)
    _filters_as_asked(mitigations_of(second)[0])
    happens(first, second)

    assert services.terminate_redundant(now=NOW) == ended


def test_pairs_that_stay_do_not_delay_other_tenants(
    ask: Submit,
    older: MitigationRequest,
    globex: Organization,
    globex_northgate: Subscription,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redundant_requests, "MAX_PAIRS", 1)
    # The first has ended; the second is filtered beside a newer one for less: both pairs stay
    # forever.
    for index, status in enumerate(("terminated", "mitigating")):
        theirs = [
            MitigationRequest.objects.create(
                organization=globex,
                created_at=NOW - timedelta(days=2 - index),
                created_by=older.created_by,
                name="theirs",
                asked=older.asked,
                scope=Targets.saved(prefixes=[prefix]),
                lifetime_s=3600,
                strategy=Strategy.FAILOVER,
                status=state,
            )
            for prefix, state in (("198.51.100.0/28", status), ("198.51.100.0/29", "mitigating"))
        ]
        for one in theirs:
            Mitigation.objects.create(
                organization=globex,
                request=one,
                subscription=globex_northgate,
                position=0,
                mid=Mitigation.objects.count() + 1,
                scope=one.scope,
                asked_at=NOW,
                lifetime_s=3600,
                status="mitigating",
                last_heard_at=NOW,
            )
        MitigationRequest.objects.filter(pk=theirs[1].pk).update(replaces=[str(theirs[0].pk)])
    filters(mitigations_of(ask(*WIDE, consent=BOTH))[0])

    sweeps = (services.terminate_redundant(now=NOW) for _ in range(60))

    assert any(sweeps)
    assert status_of(older) == "terminating"
    assert {one.status for one in MitigationRequest.objects.filter(organization=globex)} == {
        "terminated",
        "mitigating",
    }


def test_two_requests_that_may_replace_each_other_both_continue(
    ask: Submit, dana: User, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    first = ask(*PART, subscriptions=(acme_tidewall.pk,))
    filters(mitigations_of(first)[0])
    second = ask(*PART)
    filters(mitigations_of(second)[0])
    services.ask_provider(
        request_id=first.pk,
        actor=Actor.person(dana),
        subscription_id=acme_northgate.pk,
        consent=Consent(named=(second.pk,)),
    )
    first.refresh_from_db()
    assert (first.replaces, second.replaces) == ((second.pk,), (first.pk,))

    assert services.terminate_redundant(now=NOW) == 0

    assert [status_of(one) for one in (first, second)] == ["mitigating", "mitigating"]
