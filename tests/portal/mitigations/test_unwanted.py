"""A provider that acts on a mitigation which the portal gave up gets a DELETE."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from portal.mitigations import services
from portal.mitigations.models import Mitigation, ProviderConflict, Wanted
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import BY_DOTS_STATUS, CONFIRMED
from portal.signaling.actions.next_action import Action, MitigationHistory, next_action
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import NOW, confirm, mitigations_of, refuse

pytestmark = pytest.mark.sqlite

LATER = NOW + timedelta(seconds=5)
CONFLICT = ProviderConflict(cause=1)


def superseded(mitigation: Mitigation) -> None:
    confirm(mitigation)
    services.record_superseded(mitigation_id=mitigation.pk, conflict=CONFLICT, now=NOW)


def refused_and_withdrawn(mitigation: Mitigation) -> None:
    refuse(mitigation)
    services.withdraw_mitigation(mitigation_id=mitigation.pk)


def stuck_since_the_previous_release(mitigation: Mitigation) -> None:
    confirm(mitigation)
    Mitigation.objects.filter(pk=mitigation.pk).update(wanted=Wanted.WITHDRAWN)


def reports(number: int) -> Callable[[Mitigation], None]:
    def report(mitigation: Mitigation) -> None:
        said = ProviderReport(dots_status=number, trigger=BY_DOTS_STATUS[number])
        services.record_report(mitigation_id=mitigation.pk, report=said, now=LATER)

    return report


def confirms(mitigation: Mitigation) -> None:
    services.record_confirmed(
        mitigation_id=mitigation.pk, lifetime_s=3600, asked_at=LATER, now=LATER
    )


@pytest.mark.parametrize(
    "given_up", [superseded, refused_and_withdrawn, stuck_since_the_previous_release]
)
@pytest.mark.parametrize(
    "acts",
    [*(reports(number) for number in (1, 2, 3, 4, 8)), confirms],
    ids=["1", "2", "3", "4", "8", "2.01"],
)
def test_an_answer_that_shows_an_unwanted_mitigation_is_held_ends_it(
    submit: Submit, given_up: Callable[[Mitigation], None], acts: Callable[[Mitigation], None]
) -> None:
    """Whatever shows it: a mitigation that is not wanted is polled by no one once it is confirmed,
    so the provider would filter until the lifetime ends.
    """
    [mitigation, *_] = mitigations_of(submit())
    given_up(mitigation)

    acts(mitigation)

    row = Mitigation.objects.select_related("request").get(pk=mitigation.pk)
    assert row.status == "terminating"
    assert row.status not in CONFIRMED
    assert next_action(row, MitigationHistory(), LATER).action == Action.WITHDRAW
    assert row.withdrawal_asked_at is not None, "otherwise pages show the stop as confirmed"


def test_its_request_still_names_the_newer_one_that_replaced_it(submit: Submit) -> None:
    [wide, *_] = mitigations_of(submit())
    superseded(wide)
    before = type(wide.request).objects.get(pk=wide.request_id)
    assert (before.status, before.ended_by) == ("terminated", "newer_request")

    reports(2)(wide)
    assert type(wide.request).objects.get(pk=wide.request_id).status == "terminating"
    services.record_forgotten(mitigation_id=wide.pk, now=LATER)

    after = type(wide.request).objects.get(pk=wide.request_id)
    assert (after.status, after.ended_by) == ("terminated", "newer_request")
