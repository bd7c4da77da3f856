"""Why a request ended, and whether a person has to acknowledge it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict, Invalid
from portal.core.targets import PortRange
from portal.events.models import Event
from portal.mitigations import queries, services
from portal.mitigations.consent import Consent
from portal.mitigations.models import (
    MitigationRequest,
    Newer,
    ProviderConflict,
    ReplacedBy,
    RequestKind,
    Strategy,
)
from portal.mitigations.states import Trigger
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from tests.factories import ResourceFactory
from tests.portal.ends import end_of
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import NOW, confirm, mitigations_of, report

WIDE, PART = "203.0.113.0/27", "203.0.113.7/32"


@pytest.fixture
def ask(submit: Submit, acme_northgate: Subscription) -> Submit:
    """At Northgate alone."""

    def ask(prefix: str, **changes: Any) -> MitigationRequest:
        changes.setdefault("subscriptions", (acme_northgate.pk,))
        return submit(resources=(), prefixes=(prefix,), **changes)

    return ask


def again(request: MitigationRequest) -> MitigationRequest:
    return MitigationRequest.objects.get(pk=request.pk)


def superseded(request: MitigationRequest, **conflict: Any) -> None:
    services.record_superseded(
        mitigation_id=mitigations_of(request)[0].pk,
        conflict=ProviderConflict(reason="newer", **conflict),
        now=NOW,
    )


def taken(request: MitigationRequest) -> ReplacedBy:
    """The record of how its mitigation ended."""
    kept = mitigations_of(request)[0].replaced_by
    assert kept is not None
    return kept


def waiting(organization: Organization) -> list[MitigationRequest]:
    return list(queries.ended_by_itself(organization))


def test_a_request_that_lost_protection_to_a_newer_one_waits_for_a_person(
    ask: Submit, acme: Organization
) -> None:
    wide = ask(WIDE)
    confirm(mitigations_of(wide)[0])
    part = ask(PART)

    superseded(wide)

    ended = again(wide)
    [mitigation] = mitigations_of(ended)
    assert (ended.status, ended.ended_by) == ("terminated", "newer_request")
    assert mitigation.replaced_by == ReplacedBy(
        by=(Newer(request=part.pk, name=PART, targets=(PART,), ports=(), protocols=()),),
        lost=(WIDE,),
        loses=(f"{WIDE} except {PART}",),
    )
    assert waiting(acme) == [ended]
    status = Event.objects.filter(request_id=wide.pk, type="request.status").latest("seq")
    assert status.data["ended_by"] == "newer_request"


def test_a_request_covered_by_a_newer_one_needs_no_acknowledgement(
    ask: Submit, acme: Organization
) -> None:
    part = ask(PART)
    confirm(mitigations_of(part)[0])
    ask(WIDE)

    superseded(part)

    assert again(part).ended_by == "wider_request"
    assert waiting(acme) == []


def test_several_newer_requests_that_cover_it_together_lose_nothing(
    ask: Submit, acme: Organization
) -> None:
    wide = ask(WIDE)
    confirm(mitigations_of(wide)[0])
    for half in ("203.0.113.0/28", "203.0.113.16/28"):
        ask(half)

    superseded(wide)

    assert again(wide).ended_by == "wider_request"
    assert taken(wide).lost == ()


def test_less_traffic_is_less_protection(ask: Submit) -> None:
    wide = ask(WIDE)
    confirm(mitigations_of(wide)[0])
    ask(WIDE, protocols=(6,), ports=(PortRange(443, 443),))

    superseded(wide)

    kept = taken(wide)
    assert again(wide).ended_by == "newer_request"
    assert (kept.by[0].protocols, kept.by[0].ports) == ((6,), (PortRange(443, 443),))
    assert kept.loses == (f"{WIDE} except TCP, port 443",)


def test_a_newer_request_that_is_now_ending_is_named_if_the_provider_names_it(
    ask: Submit, alice: User
) -> None:
    wide = ask(WIDE)
    confirm(mitigations_of(wide)[0])
    part = ask(PART)
    confirm(mitigations_of(part)[0])
    services.terminate(request_id=part.pk, actor=Actor.person(alice))

    superseded(wide, mid=mitigations_of(part)[0].mid)

    assert [one.request for one in taken(wide).by] == [part.pk]


@pytest.mark.parametrize("mid", [None, 0, 7, 2**40])
def test_an_unknown_newer_request_protects_nothing(ask: Submit, mid: object) -> None:
    wide = ask(WIDE)
    confirm(mitigations_of(wide)[0])

    superseded(wide, mid=mid)

    assert taken(wide) == ReplacedBy(by=(), lost=(WIDE,), loses=(WIDE,))
    assert again(wide).ended_by == "newer_request"


def test_a_lifetime_that_ran_out_waits_for_a_person(ask: Submit, acme: Organization) -> None:
    request = ask(PART, auto_renew=False)
    confirm(mitigations_of(request)[0])

    services.mark_expired(now=NOW + timedelta(hours=2))

    assert (again(request).status, again(request).ended_by) == ("expired", "lifetime")
    assert waiting(acme) == [request]


def test_an_unrequested_end_by_the_provider_waits_for_a_person(
    ask: Submit, acme: Organization
) -> None:
    request = ask(PART)
    confirm(mitigations_of(request)[0])

    report(mitigations_of(request)[0], Trigger.WINDING_DOWN)
    report(mitigations_of(request)[0], Trigger.ENDED)

    assert (again(request).status, again(request).ended_by) == ("terminated", "provider")
    assert waiting(acme) == [request]


def test_an_end_reported_with_the_end_of_the_lifetime_counts_as_expired(
    ask: Submit,
) -> None:
    request = ask(PART, auto_renew=False, lifetime_s=60)
    confirm(mitigations_of(request)[0])

    report(mitigations_of(request)[0], Trigger.WINDING_DOWN, now=NOW + timedelta(seconds=59))
    report(mitigations_of(request)[0], Trigger.ENDED, now=NOW + timedelta(seconds=90))

    assert (again(request).status, again(request).ended_by) == ("terminated", "lifetime")


def test_a_request_terminated_by_a_person_needs_no_acknowledgement(
    ask: Submit, acme: Organization, alice: User
) -> None:
    confirmed, silent = ask(PART), ask("203.0.113.9/32")
    for one in (confirmed, silent):
        confirm(mitigations_of(one)[0])
        services.terminate(request_id=one.pk, actor=Actor.person(alice))
    report(mitigations_of(confirmed)[0], Trigger.ENDED)
    services.mark_expired(now=NOW + timedelta(hours=2))

    assert [mitigations_of(one)[0].status for one in (confirmed, silent)] == [
        "terminated",
        "expired",
    ]
    assert {again(one).ended_by for one in (confirmed, silent)} == {"person"}
    assert waiting(acme) == []


def test_a_plan_waits_only_when_a_provider_was_filtering_for_it(
    acme: Organization, alice: User, submit: Submit, acme_northgate: Subscription
) -> None:
    submit()
    held, acted = (
        services.submit(
            organization=acme,
            actor=Actor.person(alice),
            submission=Submission(
                prefixes=(prefix,), strategy=Strategy.PARALLEL, auto_renew=False, lifetime_s=60
            ),
            kind=RequestKind.STANDBY,
            name=name,
        )
        for name, prefix in (("Held", "203.0.113.1/32"), ("Acted", "203.0.113.2/32"))
    )
    for mitigation in (*mitigations_of(held), *mitigations_of(acted)):
        confirm(mitigation)
    report(mitigations_of(acted)[0], Trigger.FILTERING)

    services.mark_expired(now=NOW + timedelta(hours=2))

    assert again(held).ended_by == again(acted).ended_by == "lifetime"
    assert [one.name for one in waiting(acme)] == ["Acted"]


def test_an_ended_drill_needs_no_acknowledgement(
    acme: Organization, alice: User, submit: Submit
) -> None:
    submit()
    drill = services.submit(
        organization=acme,
        actor=Actor.person(alice),
        submission=Submission(prefixes=(PART,), auto_renew=False, lifetime_s=60),
        kind=RequestKind.DRILL,
    )
    services.withdraw_mitigation(mitigation_id=mitigations_of(drill)[0].pk)

    assert again(drill).ended_by == "portal"
    assert waiting(acme) == []


@pytest.fixture
def expired(ask: Submit) -> list[MitigationRequest]:
    requests = [ask(f"203.0.113.{index}/32", auto_renew=False) for index in range(3)]
    for one in requests:
        confirm(mitigations_of(one)[0])
    services.mark_expired(now=NOW + timedelta(hours=2))
    return requests


def test_several_ends_are_acknowledged_together_and_only_once(
    expired: list[MitigationRequest], acme: Organization, dana: User, alice: User
) -> None:
    ends = [end_of(one) for one in expired[:2]]

    services.acknowledge_all(organization=acme, ends=[*ends, ends[0]], actor=Actor.person(dana))
    services.acknowledge_all(organization=acme, ends=ends, actor=Actor.person(alice))

    assert waiting(acme) == [expired[2]]
    events = Event.objects.filter(type="request.acknowledged").select_related("actor")
    assert [(one.request_id, one.actor) for one in events.order_by("seq")] == [
        (expired[0].pk, dana),
        (expired[1].pk, dana),
    ]


def test_a_live_request_among_them_prevents_acknowledging_any(
    expired: list[MitigationRequest], ask: Submit, acme: Organization, dana: User
) -> None:
    live = ask("203.0.113.40/32")

    with pytest.raises(Conflict) as caught:
        services.acknowledge_all(
            organization=acme, ends=[end_of(expired[0]), end_of(live)], actor=Actor.person(dana)
        )

    assert caught.value.code == "not-ended"
    assert len(waiting(acme)) == 3


def test_another_tenants_request_among_them_prevents_acknowledging_any(
    expired: list[MitigationRequest],
    acme: Organization,
    dana: User,
    globex: Organization,
    charlie: User,
    globex_northgate: Subscription,
) -> None:
    ResourceFactory.create(organization=globex, value="198.51.100.0/24")
    theirs = services.submit(
        organization=globex,
        actor=Actor.person(charlie),
        submission=Submission(prefixes=("198.51.100.1/32",)),
        consent=Consent(),
    )

    with pytest.raises(Invalid) as caught:
        services.acknowledge_all(
            organization=acme, ends=[end_of(expired[0]), end_of(theirs)], actor=Actor.person(dana)
        )

    [error] = caught.value.errors
    assert (error.field, error.code) == ("ends.1", "unknown-request")
    assert len(waiting(acme)) == 3
