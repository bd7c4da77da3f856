from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict
from portal.mitigations import services as mitigations
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.standby import queries, services
from portal.standby.models import Drill, DrillCheck
from portal.standby.services.drills import CONFIRM_WITHIN, END_WITHIN
from portal.wording.from_rows.drills import refused_because
from tests.portal.standby.conftest import Prepare, holds, mitigations_of, says, takes


@pytest.fixture
def both(acme_northgate: Subscription, acme_tidewall: Subscription) -> None:
    """Two providers, connected."""


@pytest.fixture
def drill(acme: Organization, alice: User, shop: ProtectedResource, both: None) -> Drill:
    return services.start_drill(organization=acme, actor=Actor.person(alice))


def checks(drill: Drill) -> list[DrillCheck]:
    return list(drill.checks.all())


def follow(at: datetime | None = None) -> int:
    return services.follow_drills(now=at or timezone.now())


def mitigation_facts(check: DrillCheck) -> Mitigation:
    return Mitigation.objects.select_related("request").get(pk=check.mitigation_id)


def lets_go(check: DrillCheck) -> None:
    mitigations.record_withdrawal_confirmed(mitigation_id=check.mitigation_id, now=timezone.now())
    says(mitigation_facts(check), 6)


def test_a_drill_asks_every_provider_to_hold_one_address_briefly(drill: Drill) -> None:
    request = MitigationRequest.objects.get()

    assert (request.kind, request.auto_renew, request.lifetime_s) == ("drill", False, 300)
    assert list(request.scope.texts) == ["203.0.113.1/32"]
    assert [check.way for check in checks(drill)] == ["request", "request"]


def test_a_confirmed_drill_is_withdrawn_and_its_times_are_saved(
    drill: Drill, acme: Organization
) -> None:
    northgate, tidewall = checks(drill)
    takes(mitigation_facts(northgate))
    follow()
    # 2.01 means accepted; only a status means held.
    assert checks(drill)[0].confirmed_at is None
    says(mitigation_facts(northgate), 8)
    follow()

    assert mitigation_facts(northgate).wanted == "withdrawn"
    assert mitigation_facts(tidewall).wanted == "active"
    lets_go(northgate)
    holds(mitigation_facts(tidewall))
    assert follow() == 1
    lets_go(tidewall)
    assert follow() == 0

    for check in checks(drill):
        assert check.failure == ""
        times = [
            check.sent_at,
            check.confirmed_at,
            check.withdrawn_at,
            check.told_at,
            check.ended_at,
        ]
        assert times == sorted(at for at in times if at is not None)
    last = queries.last_drill(acme)
    assert last is not None
    assert last.has_passed
    assert queries.last_passed_drill(acme) == last
    assert MitigationRequest.objects.get().status == "terminated"


def test_a_provider_that_reports_the_end_before_it_answers_received_the_withdrawal(
    drill: Drill,
) -> None:
    northgate, _ = checks(drill)
    holds(mitigation_facts(northgate))
    follow()

    says(mitigation_facts(northgate), 6)
    follow()

    ended = checks(drill)[0]
    assert ended.ended_at is not None
    assert ended.told_at == ended.ended_at


def test_a_provider_that_refuses_fails_the_drill_with_its_reason(
    drill: Drill, acme: Organization
) -> None:
    now = timezone.now()
    refusing, holding = checks(drill)
    mitigations.record_sending(mitigation_id=refusing.mitigation_id, now=now)
    mitigations.record_refused(
        mitigation_id=refusing.mitigation_id, code="4.03", reason="no contract", now=now
    )
    holds(mitigation_facts(holding))
    follow()
    lets_go(holding)
    follow()

    first, second = checks(drill)
    assert (first.failure, first.refusal_code, first.refusal_reason) == (
        "refused",
        "4.03",
        "no contract",
    )
    assert refused_because(first) == "Northgate says: no contract."
    assert second.failure == ""
    last = queries.last_drill(acme)
    assert last is not None
    assert (last.is_over, last.has_passed) == (True, False)
    assert queries.last_passed_drill(acme) is None
    # No provider is retried for a drill.
    assert mitigations.mark_due_again(now=now + timedelta(hours=1)) == 0


def test_a_drill_times_out_and_still_withdraws(drill: Drill) -> None:
    sent, unsent = checks(drill)
    mitigations.record_sending(mitigation_id=sent.mitigation_id, now=drill.started_at)
    follow(drill.started_at + CONFIRM_WITHIN - timedelta(seconds=1))
    assert not checks(drill)[0].is_over

    assert follow(drill.started_at + CONFIRM_WITHIN) == 0

    assert [check.failure for check in checks(drill)] == ["no_answer", "not_sent"]
    assert mitigation_facts(sent).status == "terminating"
    assert mitigation_facts(unsent).status == "terminated"


@pytest.mark.parametrize(("is_told", "failure"), [(False, "not_told"), (True, "not_ended")])
def test_a_provider_that_does_not_release_the_plan_fails_the_drill(
    drill: Drill, is_told: bool, failure: str
) -> None:
    for check in checks(drill):
        holds(mitigation_facts(check))
    follow()
    if is_told:
        for check in checks(drill):
            mitigations.record_withdrawal_confirmed(
                mitigation_id=check.mitigation_id, now=timezone.now()
            )

    assert follow(drill.started_at + END_WITHIN) == 0

    assert {check.failure for check in checks(drill)} == {failure}


def test_a_provider_that_filters_for_a_drill_fails_it_and_is_withdrawn(
    drill: Drill,
) -> None:
    acting = checks(drill)[0]
    takes(mitigation_facts(acting))
    says(mitigation_facts(acting), 1)

    follow()

    assert checks(drill)[0].failure == "acted"
    assert mitigation_facts(acting).status == "terminating"


def test_a_drill_confirms_the_plan_itself_if_it_covers_everything(
    prepare: Prepare, acme: Organization, alice: User
) -> None:
    plan = prepare()
    for mitigation in mitigations_of(plan.request):
        holds(mitigation)
    holding, _silent = mitigations_of(plan.request)

    drill = services.start_drill(organization=acme, actor=Actor.person(alice))
    assert [check.way for check in checks(drill)] == ["plan", "plan"]
    assert MitigationRequest.objects.filter(kind="drill").count() == 0
    follow()
    assert checks(drill)[0].confirmed_at is None
    holds(holding)
    says(holding, 8)
    assert follow() == 1

    first, second = checks(drill)
    assert first.failure == ""
    assert first.confirmed_at == first.ended_at is not None
    assert first.withdrawn_at is None
    assert not second.is_over
    follow(drill.started_at + CONFIRM_WITHIN)
    assert checks(drill)[1].failure == "no_answer"
    # A drill never ends a plan.
    assert [
        (mitigation.status, mitigation.wanted)
        for mitigation in (mitigation_facts(first), mitigation_facts(second))
    ] == [
        ("standby", "active"),
        ("standby", "active"),
    ]


def test_a_plan_activated_by_a_provider_fails_the_drill_and_is_not_touched(
    prepare: Prepare, acme: Organization, alice: User
) -> None:
    plan = prepare()
    for mitigation in mitigations_of(plan.request):
        holds(mitigation)
    drill = services.start_drill(organization=acme, actor=Actor.person(alice))
    says(mitigations_of(plan.request)[0], 2)

    follow()

    assert checks(drill)[0].failure == "acted"
    mitigation = mitigation_facts(checks(drill)[0])
    assert (mitigation.status, mitigation.wanted) == ("mitigating", "active")


def test_a_drill_beside_a_plan_uses_addresses_outside_it(
    prepare: Prepare, acme: Organization, alice: User
) -> None:
    plan = prepare(resources=(), prefixes=("203.0.113.0/27",))
    for mitigation in mitigations_of(plan.request):
        holds(mitigation)

    drill = services.start_drill(organization=acme, actor=Actor.person(alice))

    request = MitigationRequest.objects.get(kind="drill")
    assert list(request.scope.texts) == ["203.0.113.33/32"]
    assert {check.way for check in checks(drill)} == {"request"}


def test_a_refused_confirmation_of_a_plan_is_not_a_success(
    prepare: Prepare, acme: Organization, alice: User
) -> None:
    plan = prepare()
    for mitigation in mitigations_of(plan.request):
        holds(mitigation)
    drill = services.start_drill(organization=acme, actor=Actor.person(alice))
    refusing = checks(drill)[0]
    mitigations.record_refused(
        mitigation_id=refusing.mitigation_id,
        code="4.00",
        reason="gone",
        extended_at=refusing.asked_at,
        now=timezone.now(),
    )
    says(mitigation_facts(refusing), 8)

    follow()

    assert (checks(drill)[0].failure, checks(drill)[0].confirmed_at) == ("refused", None)


def test_a_drill_fails_immediately_if_the_provider_does_not_hold_the_plan(
    prepare: Prepare, acme: Organization, alice: User
) -> None:
    prepare()

    drill = services.start_drill(organization=acme, actor=Actor.person(alice))

    assert [check.failure for check in checks(drill)] == ["not_held", "not_held"]


def test_only_one_drill_runs_at_a_time(drill: Drill, acme: Organization, dana: User) -> None:
    with pytest.raises(Conflict) as refused:
        services.start_drill(organization=acme, actor=Actor.person(dana))

    assert refused.value.code == "drill-running"
    assert "alice started a drill" in refused.value.message


def test_no_drill_starts_while_a_mitigation_is_live(
    acme: Organization, alice: User, shop: ProtectedResource, both: None
) -> None:
    mitigations.submit(
        organization=acme, actor=Actor.person(alice), submission=Submission(resources=(shop.pk,))
    )

    with pytest.raises(Conflict) as refused:
        services.start_drill(organization=acme, actor=Actor.person(alice))

    assert refused.value.code == "under-attack"
    assert not Drill.objects.exists()


def test_a_drill_needs_a_provider_and_a_target(
    acme: Organization, alice: User, acme_northgate: Subscription
) -> None:
    with pytest.raises(Conflict) as refused:
        services.start_drill(organization=acme, actor=Actor.person(alice))
    assert refused.value.code == "nothing-to-test"
    acme_northgate.enabled = False
    acme_northgate.save(update_fields=["enabled"])

    with pytest.raises(Conflict) as refused:
        services.start_drill(organization=acme, actor=Actor.person(alice))
    assert refused.value.code == "no-provider"
    assert not Drill.objects.exists()
