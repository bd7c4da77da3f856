"""What a refusal, an answer that waits or a lost request begins."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest, Strategy
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import Trigger
from portal.providers.models import Subscription
from tests.portal.mitigations import test_outcomes
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.test_outcomes import LATER, NOW, again, confirm

mitigation = test_outcomes.mitigation


def test_a_refusal_asks_the_next_provider_in_the_same_transaction(
    mitigation: Mitigation, acme_tidewall: Subscription
) -> None:
    services.record_sending(mitigation_id=mitigation.pk, now=NOW)

    services.record_refused(
        mitigation_id=mitigation.pk, code="4.00", reason="no such prefix", now=NOW
    )

    first, second = mitigation.request.mitigations.all()
    assert (first.status, first.refusal_reason) == ("refused", "no such prefix")
    assert (second.subscription, second.cause) == (acme_tidewall, "refused")
    assert second.cause_subscription == first.subscription
    assert again(mitigation).request.status == "requesting"


@pytest.mark.parametrize(
    ("trigger", "cause"),
    [
        (Trigger.CAPACITY_EXCEEDED, "exceeded"),
        (Trigger.PROVIDER_WITHDREW, "withdrew"),
    ],
)
def test_the_next_provider_is_asked_when_one_cannot_help(
    mitigation: Mitigation, trigger: Trigger, cause: str
) -> None:
    confirm(mitigation)

    report = ProviderReport(dots_status=None, trigger=trigger)
    services.record_report(mitigation_id=mitigation.pk, report=report, now=LATER)

    assert mitigation.request.mitigations.last().cause == cause  # type: ignore[union-attr]  # there are two


def refuse(mitigation: Mitigation, now: datetime = NOW, retry_after_s: int | None = None) -> None:
    services.record_refused(
        mitigation_id=mitigation.pk, code="4.03", reason="", now=now, retry_after_s=retry_after_s
    )


@pytest.mark.rule("SC-046")
@pytest.mark.rule("SC-073")
def test_a_provider_that_named_a_retry_time_is_not_asked_before_it(
    submit: Submit, acme_northgate: Subscription
) -> None:
    mitigation = submit(subscriptions=(acme_northgate.pk,)).mitigations.get()
    refuse(mitigation, retry_after_s=1800)

    assert services.mark_due_again(now=NOW + timedelta(seconds=1799)) == 0
    assert services.mark_due_again(now=NOW + timedelta(seconds=1800)) == 1
    assert (again(mitigation).status, again(mitigation).mid) == ("pending", mitigation.mid)


def test_each_provider_is_retried_with_growing_pauses_after_all_refused(submit: Submit) -> None:
    request = submit(Strategy.PARALLEL)
    mitigations = list(request.mitigations.all())
    for mitigation in mitigations:
        refuse(mitigation)
    waits = []

    now = NOW
    for _ in range(7):
        retry_at = again(mitigations[0]).retry_at
        assert retry_at is not None
        waits.append((retry_at - now).total_seconds())
        now = retry_at
        services.mark_due_again(now=now)
        assert again(mitigations[0]).request.status == "failing"
        for mitigation in mitigations:
            refuse(mitigation, now)

    assert waits == [30, 60, 120, 240, 480, 600, 600]


def test_no_provider_is_retried_while_another_one_helps(submit: Submit) -> None:
    first, second = submit(Strategy.PARALLEL).mitigations.all()
    refuse(first)
    confirm(second)

    assert services.mark_due_again(now=LATER) == 0
    assert again(first).status == "refused"


def test_a_late_acceptance_ends_the_backoff(submit: Submit) -> None:
    mitigation = submit().mitigations.get()
    refuse(mitigation)

    confirm(mitigation)

    assert (again(mitigation).status, again(mitigation).setbacks, again(mitigation).retry_at) == (
        "in_progress",
        0,
        None,
    )


def test_a_refused_mitigation_needs_no_termination(submit: Submit, alice: User) -> None:
    request = submit(Strategy.PARALLEL)
    for mitigation in request.mitigations.all():
        services.record_sending(mitigation_id=mitigation.pk, now=NOW)
        refuse(mitigation)

    request = services.terminate(request_id=request.pk, actor=Actor.person(alice))

    assert request.status == "terminated"
    assert {mitigation.status for mitigation in request.mitigations.all()} == {"refused"}
    assert services.mark_due_again(now=LATER) == 0


def test_the_next_provider_is_asked_at_once_when_one_asks_to_wait(mitigation: Mitigation) -> None:
    services.record_unavailable(
        mitigation_id=mitigation.pk, code="5.03", reason="busy", retry_at=LATER, now=NOW
    )

    assert mitigation.request.mitigations.count() == 2


def test_a_request_refused_by_all_is_failing(submit: Submit) -> None:
    request = submit(Strategy.PARALLEL)

    for mitigation in request.mitigations.all():
        services.record_refused(mitigation_id=mitigation.pk, code="4.03", reason="", now=NOW)

    assert MitigationRequest.objects.get(pk=request.pk).status == "failing"


def test_a_busy_provider_is_not_asked_before_the_time_it_named(mitigation: Mitigation) -> None:
    services.record_unavailable(
        mitigation_id=mitigation.pk, code="5.03", reason="busy", retry_at=LATER, now=NOW
    )

    assert (again(mitigation).status, again(mitigation).retry_at) == ("pending", LATER)
