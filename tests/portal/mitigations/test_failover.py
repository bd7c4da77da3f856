from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from portal.core.targets import Targets
from portal.mitigations.causes import Cause, WithdrawnCause
from portal.mitigations.failover import (
    FIRST,
    Why,
    current_mitigations,
    due,
    next_try_at,
    uncovered_targets,
)
from portal.mitigations.late_acceptance import withdrawn_on_late_acceptance
from portal.mitigations.models import (
    Mitigation,
    MitigationRequest,
    RequestKind,
    Wanted,
)
from portal.mitigations.states import CONFIRMED, LOOP, NOT_SENDABLE, Status
from portal.organizations.models import LateAcceptance
from portal.providers.models import Provider, Subscription

NOW = datetime(2026, 10, 6, 3, 27, 41, tzinfo=UTC)
NORTHGATE, TIDEWALL, HARBOUR = (UUID(int=number) for number in (1, 2, 3))
NAMES = {NORTHGATE: "Northgate", TIDEWALL: "Tidewall", HARBOUR: "Harbour"}
OLD, NEW = "203.0.113.0/26", "2001:db8:10::/48"


def targets(*prefixes: str) -> Targets:
    return Targets.saved(prefixes=prefixes)


def mitigation(
    subscription: UUID, status: Status = Status.PENDING, *prefixes: str, **columns: Any
) -> Mitigation:
    provider = Provider(short_name=NAMES[subscription])
    return Mitigation(
        subscription=Subscription(pk=subscription, provider=provider),
        status=status,
        scope=targets(*(prefixes or (OLD,))),
        **{"position": subscription.int - 1, "mid": 1, "last_heard_at": NOW, **columns},
    )


def order(**parts: tuple[str, ...]) -> dict[UUID, Targets]:
    ids = {"northgate": NORTHGATE, "tidewall": TIDEWALL, "harbour": HARBOUR}
    return {ids[name]: targets(*prefixes) for name, prefixes in parts.items()}


def asked(parts: dict[UUID, Targets], *mitigations: Mitigation) -> list[tuple[str, Why]]:
    return [(NAMES[one.subscription], one.why) for one in due(parts, mitigations)]


ALL = order(northgate=(OLD,), tidewall=(OLD,), harbour=(OLD,))


def test_only_the_first_provider_in_order_is_asked_first() -> None:
    assert asked(ALL) == [("Northgate", FIRST)]


@pytest.mark.parametrize(
    ("columns", "cause"),
    [
        ({"status": Status.REFUSED}, Cause.REFUSED),
        ({"status": Status.EXCEEDED}, Cause.EXCEEDED),
        ({"status": Status.WITHDRAWN}, Cause.WITHDREW),
        ({"overdue_at": NOW}, Cause.SILENT),
        ({"retry_at": NOW}, Cause.TOLD_TO_WAIT),
        ({"unsaved_at": NOW}, Cause.NOT_SAVED),
        ({"retry_at": NOW, "refusal_code": NOT_SENDABLE}, Cause.NOT_SENDABLE),
        ({"status": Status.REFUSED, "refusal_code": LOOP}, Cause.LOOPED),
    ],
)
def test_the_next_provider_is_asked_with_the_reason(columns: dict[str, Any], cause: Cause) -> None:
    assert asked(ALL, mitigation(NORTHGATE, **columns)) == [("Tidewall", Why(cause, NORTHGATE))]


@pytest.mark.parametrize(
    "status", [Status.PENDING, Status.IN_PROGRESS, Status.MITIGATING, Status.ATTACK_STOPPED]
)
def test_no_other_provider_is_asked_while_one_helps_or_may_help(status: Status) -> None:
    assert asked(ALL, mitigation(NORTHGATE, status)) == []


def test_each_target_is_sent_to_the_first_provider_that_may_protect_it() -> None:
    parts = order(northgate=(OLD,), tidewall=(NEW,), harbour=(OLD, NEW))

    assert asked(parts) == [("Northgate", FIRST), ("Tidewall", FIRST)]


def test_uncovered_targets_go_to_the_next_provider_while_another_protects_the_rest() -> None:
    parts = order(northgate=(OLD,), tidewall=(NEW,), harbour=(OLD, NEW))
    helping, refusing = (
        mitigation(NORTHGATE, Status.MITIGATING, OLD),
        mitigation(TIDEWALL, Status.REFUSED, NEW),
    )

    assert asked(parts, helping, refusing) == [("Harbour", Why(Cause.REFUSED, TIDEWALL))]


def test_a_target_only_one_provider_may_protect_is_sent_to_it() -> None:
    parts = order(northgate=(OLD,), tidewall=(NEW,))

    assert (
        asked(
            parts,
            mitigation(NORTHGATE, Status.MITIGATING, OLD),
            mitigation(TIDEWALL, Status.REFUSED, NEW),
        )
        == []
    )


def test_no_provider_is_due_when_all_were_asked() -> None:
    mitigations = [mitigation(one, Status.REFUSED) for one in NAMES]

    assert asked(ALL, *mitigations) == []


def withdrawn(subscription: UUID, **columns: Any) -> Mitigation:
    return mitigation(subscription, Status.TERMINATING, wanted=Wanted.WITHDRAWN, **columns)


def test_a_provider_that_a_person_withdrew_is_neither_retried_nor_replaced() -> None:
    assert asked(ALL, withdrawn(NORTHGATE, withdrawn_by_id=1)) == []
    assert (
        asked(ALL, withdrawn(NORTHGATE, withdrawn_by_id=1), mitigation(TIDEWALL, Status.MITIGATING))
        == []
    )


def test_the_order_continues_when_the_rest_fails_after_a_manual_withdrawal() -> None:
    mitigations = withdrawn(NORTHGATE, withdrawn_by_id=1), mitigation(TIDEWALL, Status.REFUSED)

    assert asked(ALL, *mitigations) == [("Harbour", Why(Cause.REFUSED, TIDEWALL))]


def test_a_provider_that_policy_withdrew_is_due_when_the_other_fails() -> None:
    mitigations = (
        mitigation(NORTHGATE, Status.EXCEEDED),
        withdrawn(TIDEWALL, withdrawn_cause=WithdrawnCause.EARLIER_FILTERS),
    )

    assert asked(ALL, *mitigations) == [("Tidewall", Why(Cause.EXCEEDED, NORTHGATE))]


MOMENT = timedelta(microseconds=1)
LATER, LATEST = NOW + timedelta(minutes=1), NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("kind", "mitigations", "at"),
    [
        (RequestKind.IMMEDIATE, [mitigation(NORTHGATE)], NOW),
        (RequestKind.IMMEDIATE, [mitigation(NORTHGATE, retry_at=LATER)], LATER),
        (RequestKind.IMMEDIATE, [mitigation(NORTHGATE, retry_at=NOW - MOMENT)], NOW),
        (RequestKind.IMMEDIATE, [mitigation(NORTHGATE, wanted=Wanted.WITHDRAWN)], None),
        (
            RequestKind.IMMEDIATE,
            [mitigation(NORTHGATE, retry_at=LATEST), mitigation(TIDEWALL, retry_at=LATER)],
            LATER,
        ),
        (RequestKind.IMMEDIATE, [mitigation(NORTHGATE, Status.REFUSED, retry_at=LATER)], LATER),
        (RequestKind.IMMEDIATE, [mitigation(NORTHGATE, Status.WITHDRAWN, retry_at=LATER)], LATER),
        # After a final refusal only a person can have it asked again.
        (RequestKind.IMMEDIATE, [mitigation(NORTHGATE, Status.REFUSED)], None),
        # A retry of a refresh is not a new attempt.
        (RequestKind.IMMEDIATE, [mitigation(NORTHGATE, Status.MITIGATING, retry_at=LATER)], None),
        (
            RequestKind.IMMEDIATE,
            [
                mitigation(NORTHGATE, Status.REFUSED, retry_at=LATER),
                mitigation(TIDEWALL, Status.MITIGATING),
            ],
            None,
        ),
        (
            RequestKind.IMMEDIATE,
            [
                mitigation(NORTHGATE, Status.REFUSED, OLD, NEW, retry_at=LATER),
                mitigation(TIDEWALL, Status.MITIGATING, NEW),
            ],
            LATER,
        ),
        # Each provider should hold a plan, whatever the others do.
        (
            RequestKind.STANDBY,
            [
                mitigation(NORTHGATE, Status.REFUSED, retry_at=LATER),
                mitigation(TIDEWALL, Status.STANDBY),
            ],
            LATER,
        ),
        (RequestKind.DRILL, [mitigation(NORTHGATE, Status.REFUSED, retry_at=LATER)], None),
    ],
)
def test_when_a_provider_is_asked_next(
    kind: RequestKind, mitigations: list[Mitigation], at: datetime | None
) -> None:
    request = MitigationRequest(kind=kind, scope=targets(OLD, NEW))
    for one in mitigations:
        one.request = request

    assert next_try_at(mitigations, NOW) == at


def test_the_newest_mitigation_of_a_provider_decides() -> None:
    mitigations = (
        mitigation(TIDEWALL, mid=9),
        mitigation(NORTHGATE, mid=1),
        withdrawn(TIDEWALL, mid=4),
    )

    assert [one.mid for one in current_mitigations(mitigations)] == [1, 9]


def test_targets_without_an_accepted_or_new_request_are_uncovered() -> None:
    scope = targets(OLD, NEW)

    assert uncovered_targets(scope, [mitigation(NORTHGATE, Status.MITIGATING, OLD, NEW)]) == []
    assert uncovered_targets(scope, [mitigation(NORTHGATE, Status.PENDING, OLD, NEW)]) == []
    assert uncovered_targets(
        scope, [mitigation(NORTHGATE, Status.PENDING, OLD, NEW, overdue_at=NOW)]
    ) == [
        OLD,
        NEW,
    ]
    assert uncovered_targets(
        scope, [mitigation(NORTHGATE, Status.PENDING, OLD, NEW, setbacks=1)]
    ) == [OLD, NEW]
    assert uncovered_targets(
        scope,
        [mitigation(NORTHGATE, Status.MITIGATING, OLD), mitigation(TIDEWALL, Status.REFUSED, NEW)],
    ) == [NEW]
    assert uncovered_targets(scope, [withdrawn(NORTHGATE)]) == [OLD, NEW]


AFTER_SILENCE = {"cause": Cause.SILENT, "cause_subscription_id": NORTHGATE}


HEARD_WITHIN = timedelta(seconds=90)


def needless(
    *mitigations: Mitigation, policy: str = LateAcceptance.WITHDRAW_LATER, **facts: Any
) -> list[tuple[str, list[UUID]]]:
    found = withdrawn_on_late_acceptance(
        mitigations, policy=policy, heard_since=NOW - HEARD_WITHIN, **facts
    )
    return [(one.subscription.provider.short_name, filtering) for one, filtering in found]


def test_the_later_provider_is_withdrawn_once_the_earlier_one_filters() -> None:
    mitigations = (
        mitigation(NORTHGATE, Status.MITIGATING),
        mitigation(TIDEWALL, Status.MITIGATING, **AFTER_SILENCE),
    )

    assert needless(*mitigations) == [("Tidewall", [NORTHGATE])]
    assert needless(*mitigations, policy=LateAcceptance.KEEP) == []


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.MITIGATING}))
def test_the_later_provider_stays_until_the_earlier_one_filters(status: Status) -> None:
    assert (
        needless(
            mitigation(NORTHGATE, status), mitigation(TIDEWALL, Status.MITIGATING, **AFTER_SILENCE)
        )
        == []
    )


@pytest.mark.parametrize(
    ("columns", "is_enough"),
    [
        ({"last_heard_at": NOW - HEARD_WITHIN}, True),
        ({"last_heard_at": NOW - HEARD_WITHIN - MOMENT}, False),
        ({"last_heard_at": None}, False),
        ({"wanted": Wanted.WITHDRAWN}, False),
        ({"position": 1}, False),
        ({"position": 2}, False),
    ],
)
def test_only_a_recently_heard_earlier_provider_withdraws_a_later_one(
    columns: dict[str, Any], is_enough: bool
) -> None:
    filtering = mitigation(NORTHGATE, Status.MITIGATING, **columns)
    later = mitigation(TIDEWALL, Status.MITIGATING, **AFTER_SILENCE)

    assert bool(needless(filtering, later)) is is_enough


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("wanted", Wanted)
def test_policy_withdraws_a_provider_that_may_still_filter(status: Status, wanted: Wanted) -> None:
    later = mitigation(TIDEWALL, status, wanted=wanted, **AFTER_SILENCE)

    found = needless(mitigation(NORTHGATE, Status.MITIGATING), later)

    assert bool(found) is (wanted == Wanted.ACTIVE and status in (Status.PENDING, *CONFIRMED))


def test_policy_never_withdraws_a_provider_asked_by_a_person() -> None:
    by_hand = mitigation(TIDEWALL, Status.MITIGATING, asked_by_id=1, **AFTER_SILENCE)

    assert needless(mitigation(NORTHGATE, Status.MITIGATING), by_hand) == []


def test_policy_withdraws_neither_the_first_provider_nor_one_asked_twice() -> None:
    first, later = (
        mitigation(NORTHGATE, Status.MITIGATING),
        mitigation(TIDEWALL, Status.MITIGATING, **AFTER_SILENCE),
    )

    assert needless(first, mitigation(TIDEWALL, Status.MITIGATING)) == []
    assert needless(first, later, spared={TIDEWALL}) == []


def test_policy_keeps_a_provider_that_protects_more_than_the_earlier_one() -> None:
    later = mitigation(TIDEWALL, Status.MITIGATING, OLD, NEW, **AFTER_SILENCE)

    assert needless(mitigation(NORTHGATE, Status.MITIGATING, OLD), later) == []
    assert needless(
        mitigation(NORTHGATE, Status.MITIGATING, OLD),
        mitigation(TIDEWALL, Status.MITIGATING, NEW),
        mitigation(HARBOUR, Status.PENDING, OLD, NEW, **AFTER_SILENCE),
    ) == [("Harbour", [NORTHGATE, TIDEWALL])]


def test_a_text_saved_by_an_old_process_is_read_as_a_policy_withdrawal() -> None:
    mitigations = (
        mitigation(NORTHGATE, Status.EXCEEDED),
        withdrawn(TIDEWALL, withdrawn_cause_text="Northgate reports that it is filtering"),
    )

    assert asked(ALL, *mitigations) == [("Tidewall", Why(Cause.EXCEEDED, NORTHGATE))]


def test_a_text_saved_by_an_old_process_is_read_as_a_failover() -> None:
    mitigations = (
        mitigation(NORTHGATE, Status.MITIGATING),
        mitigation(TIDEWALL, Status.MITIGATING, cause_text="Northgate did not answer"),
    )

    assert needless(*mitigations) == [("Tidewall", [NORTHGATE])]


def test_a_provider_given_up_at_the_end_of_the_lifetime_is_due_after_an_extension() -> None:
    given_up = withdrawn(TIDEWALL, withdrawal_asked_at=NOW)

    assert asked(ALL, mitigation(NORTHGATE, Status.EXCEEDED), given_up) == [
        ("Tidewall", Why(Cause.EXCEEDED, NORTHGATE))
    ]
    assert asked(ALL, mitigation(NORTHGATE, Status.MITIGATING), given_up) == []


@pytest.mark.parametrize(
    "columns",
    [{}, {"withdrawal_asked_at": NOW, "hold_again": True}],
    ids=["replaced", "held again"],
)
def test_a_provider_that_holds_something_else_is_not_due(columns: dict[str, Any]) -> None:
    mitigations = mitigation(NORTHGATE, Status.EXCEEDED), withdrawn(TIDEWALL, **columns)

    assert asked(ALL, *mitigations) == []
