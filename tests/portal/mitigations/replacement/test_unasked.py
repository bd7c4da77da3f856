"""Failover, extension and asking one provider replace nothing without consent."""

from __future__ import annotations

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import queries, services
from portal.mitigations.consent import Consent, WouldReplace
from portal.mitigations.models import Mitigation, MitigationRequest, RequestKind, Strategy
from portal.mitigations.states import Trigger
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.replacement.conftest import HOST, WIDE, refused, replaces
from tests.portal.mitigations.rows import (
    confirm,
    mitigations_of,
    names,
    refuse,
    report,
    status_of,
)


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
