"""A withdrawn mitigation ends with a report, with the provider forgetting it, or with its time."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product
from typing import Final

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import Trigger
from tests.conftest import undone
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.test_outcomes import FILTERING, LATER, NOW, again, confirm
from tests.portal.mitigations.test_outcomes import mitigation as mitigation

WINDS_DOWN = ProviderReport(dots_status=5, trigger=Trigger.WINDING_DOWN, lifetime_s=30)
ENDED = ProviderReport(dots_status=6, trigger=Trigger.ENDED, lifetime_s=0)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


SWEEPS: Final = [(), (29,), (30, 31, 32), (60, 200, 299)]
ENDS: Final = [20, 31, 290]


@pytest.mark.parametrize("is_asked", [False, True])
@pytest.mark.parametrize("auto_renew", [False, True])
def test_a_mitigation_that_winds_down_ends_as_terminated_after_its_lifetime(
    submit: Submit, alice: User, is_asked: bool, auto_renew: bool
) -> None:
    """The lifetime in a report of 5 counts down to the end, and no sweep comes between it and the 6
    or the 4.04.
    """
    mitigation = submit(auto_renew=auto_renew).mitigations.get()
    confirm(mitigation)
    if is_asked:
        services.terminate(request_id=mitigation.request_id, actor=Actor.person(alice))
        services.record_withdrawal_confirmed(mitigation_id=mitigation.pk, now=NOW)
    services.record_report(mitigation_id=mitigation.pk, report=WINDS_DOWN, now=NOW)

    for sweeps_at, ends_at, is_pushed in product(SWEEPS, ENDS, (False, True)):
        with undone():
            for at in sorted({*sweeps_at, ends_at}):
                if at in sweeps_at:
                    services.mark_expired(now=after(at))
                if at == ends_at and is_pushed:
                    services.record_report(mitigation_id=mitigation.pk, report=ENDED, now=after(at))
                elif at == ends_at:
                    services.record_forgotten(mitigation_id=mitigation.pk, now=after(at))

            ended = again(mitigation)
        assert (ended.status, ended.ended_at) == ("terminated", after(ends_at)), (
            f"sweeps at {sweeps_at}, {'a push' if is_pushed else '4.04'} at {ends_at}"
        )


def test_a_confirmed_withdrawal_waits_for_a_report_of_the_end(submit: Submit, alice: User) -> None:
    mitigation = submit(auto_renew=False).mitigations.get()
    confirm(mitigation, lifetime_s=2)
    services.terminate(request_id=mitigation.request_id, actor=Actor.person(alice))
    services.record_withdrawal_confirmed(mitigation_id=mitigation.pk, now=NOW)

    assert services.mark_expired(now=after(3)) == 0
    services.record_forgotten(mitigation_id=mitigation.pk, now=after(5))

    assert again(mitigation).status == "terminated"


def test_the_wait_for_a_report_of_the_end_is_limited(mitigation: Mitigation, alice: User) -> None:
    confirm(mitigation)
    services.terminate(request_id=mitigation.request_id, actor=Actor.person(alice))
    services.record_withdrawal_confirmed(mitigation_id=mitigation.pk, now=NOW)
    services.record_report(mitigation_id=mitigation.pk, report=WINDS_DOWN, now=NOW)

    assert services.mark_expired(now=after(299)) == 0
    assert services.mark_expired(now=after(300)) == 1

    assert again(mitigation).status == "expired"


def test_an_end_that_was_never_confirmed_is_decided_by_the_lifetime(
    mitigation: Mitigation, alice: User
) -> None:
    confirm(mitigation, lifetime_s=60)
    services.terminate(request_id=mitigation.request_id, actor=Actor.person(alice))

    assert services.mark_expired(now=LATER) == 1

    assert again(mitigation).status == "expired"


def test_the_withdrawal_is_repeated_if_the_provider_still_filters(
    mitigation: Mitigation, alice: User
) -> None:
    confirm(mitigation)
    services.terminate(request_id=mitigation.request_id, actor=Actor.person(alice))
    services.record_withdrawal_confirmed(mitigation_id=mitigation.pk, now=NOW)

    services.record_report(
        mitigation_id=mitigation.pk, report=FILTERING, now=NOW + timedelta(seconds=5)
    )
    assert again(mitigation).withdrawal_confirmed_at == NOW
    services.record_report(mitigation_id=mitigation.pk, report=FILTERING, now=LATER)

    assert again(mitigation).withdrawal_confirmed_at is None
    assert again(mitigation).status == "terminating"
