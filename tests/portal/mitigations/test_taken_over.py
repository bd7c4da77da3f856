"""A request ends once a newer one that was let replace it filters all of it, also where no provider would end it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from portal.mitigations import queries, services
from portal.mitigations.models import Event, Mitigation, MitigationRequest, Strategy
from portal.mitigations.replacing import Consent
from portal.mitigations.states import Trigger
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.legs import NOW, confirm, legs, refuse, report, status_of

PART, WIDE = ("203.0.113.7/32",), ("203.0.113.0/28",)
BOTH = Consent(is_joint=True)


@pytest.fixture
def ask(submit: Submit) -> Submit:
    def ask(*prefixes: str, **changes: Any) -> MitigationRequest:
        return submit(resources=(), prefixes=prefixes, **changes)

    return ask


def filters(leg: Mitigation) -> None:
    confirm(leg)
    report(leg, Trigger.FILTERING)


@pytest.fixture
def older(ask: Submit) -> MitigationRequest:
    """Northgate refused it, and Tidewall filters."""
    request = ask(*PART)
    refuse(legs(request)[0])
    filters(legs(request)[1])
    return request


def test_one_request_for_both_leaves_none_behind_at_the_other_provider(
    ask: Submit, older: MitigationRequest, acme: Organization
) -> None:
    both = ask(*WIDE, consent=BOTH)
    [northgate] = legs(both)
    confirm(northgate)
    # Accepted is not filtering: until then Tidewall's filter is all there is.
    assert services.end_taken_over(now=NOW) == 0

    report(northgate, Trigger.FILTERING)

    assert services.end_taken_over(now=NOW) == 1
    assert services.end_taken_over(now=NOW) == 0
    refused, tidewall = legs(older)
    assert (refused.wanted, tidewall.status) == ("withdrawn", "terminating")
    report(tidewall, Trigger.ENDED)
    ended = MitigationRequest.objects.get(pk=older.pk)
    assert (ended.status, ended.ended_by) == ("terminated", "portal")
    assert status_of(both) == "mitigating"
    assert list(queries.ended_by_itself(acme)) == []
    event = Event.objects.get(type="request.terminate_requested")
    assert (event.data["newer"], event.actor) == (str(both.pk), None)


def _refused_everywhere(request: MitigationRequest) -> None:
    report(legs(request)[1], Trigger.PROVIDER_WITHDREW)


def _replaced_where_it_was_filtered(request: MitigationRequest) -> None:
    [both] = MitigationRequest.objects.exclude(pk=request.pk)
    refuse(legs(both)[0])
    services.record_superseded(
        mitigation_id=legs(request)[1].pk, conflict={"reason": "newer"}, now=NOW
    )


@pytest.mark.parametrize("becomes", [_refused_everywhere, _replaced_where_it_was_filtered])
def test_what_was_refused_is_not_asked_again_beside_the_request_for_both(
    ask: Submit, older: MitigationRequest, becomes: Callable[[MitigationRequest], None]
) -> None:
    both = ask(*WIDE, consent=BOTH)
    becomes(older)
    assert status_of(older) == "failing"

    filters(legs(both)[-1])
    services.end_taken_over(now=NOW)

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
def test_what_the_newer_one_does_not_wholly_filter_goes_on(
    ask: Submit, newer: dict[str, Any], older: dict[str, Any]
) -> None:
    first = ask(*older.pop("prefixes"), **older)
    refuse(legs(first)[0])
    filters(legs(first)[1])
    second = ask(*newer.pop("prefixes"), **newer)
    filters(legs(second)[0])

    assert services.end_taken_over(now=NOW) == 0
    assert status_of(first) == "mitigating"


def test_a_newer_one_that_is_silent_or_stopped_or_was_not_let_replace_it_ends_nothing(
    ask: Submit, older: MitigationRequest, acme_northgate: Subscription
) -> None:
    both = ask(*WIDE, consent=BOTH)
    [northgate] = legs(both)
    filters(northgate)
    later = NOW + timedelta(minutes=5)
    assert services.end_taken_over(now=later) == 0
    MitigationRequest.objects.filter(pk=both.pk).update(replaces=[])
    assert services.end_taken_over(now=NOW) == 0
    MitigationRequest.objects.filter(pk=both.pk).update(replaces=[str(older.pk)])
    report(northgate, Trigger.PROVIDER_WITHDREW)
    assert services.end_taken_over(now=NOW) == 0

    assert status_of(older) == "mitigating"
