"""Two people, and the provider's report, about the same unknown mitigation at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Final, TypeVar

import pytest
from django.db import connection
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict
from portal.events.models import Event
from portal.inventory import services
from portal.inventory.models import Ending, UnknownMitigation
from portal.inventory.reported_mitigation import ReportedMitigation
from portal.mitigations.models import MitigationRequest
from portal.mitigations.services import take_higher_mid
from portal.organizations.models import ProtectedResource
from portal.providers.models import Subscription
from tests.portal.inventory.conftest import reported
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.conftest import submit as submit
from tests.portal.mitigations.rows import mitigations_of, sent

ROUNDS: Final = 8
T = TypeVar("T")


def at_once(*acts: Callable[[], T]) -> list[T | Conflict]:
    """The results of all calls, which start simultaneously on their own connections."""
    gate = Barrier(len(acts))

    def one(act: Callable[[], T]) -> T | Conflict:
        try:
            gate.wait(10)
            return act()
        except Conflict as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as people:
        return list(people.map(one, acts))


def record(
    subscription: Subscription, *unknown: ReportedMitigation, answered_mids: Sequence[int] = ()
) -> None:
    services.record_inventory(
        subscription_id=subscription.pk,
        cuid="ours",
        unknown=unknown,
        answered_mids=answered_mids,
        refusal="",
        now=timezone.now(),
    )


@pytest.mark.django_db
def test_two_simultaneous_adoptions_make_one_request(
    acme_northgate: Subscription, shop: ProtectedResource, dana: User, alice: User
) -> None:
    for mid in range(ROUNDS):
        record(acme_northgate, reported(mid))
        row = UnknownMitigation.objects.get(mid=mid)

        first, second = at_once(
            lambda row=row: services.adopt(unknown_id=row.pk, actor=Actor.person(dana)),  # type: ignore[misc]
            lambda row=row: services.adopt(unknown_id=row.pk, actor=Actor.person(alice)),  # type: ignore[misc]
        )

        assert first == second
    assert MitigationRequest.objects.count() == ROUNDS


@pytest.mark.django_db
def test_one_of_a_simultaneous_adoption_and_withdrawal_wins(
    acme_northgate: Subscription, shop: ProtectedResource, dana: User, alice: User
) -> None:
    for mid in range(ROUNDS):
        record(acme_northgate, reported(mid))
        row = UnknownMitigation.objects.get(mid=mid)

        answers = at_once(
            lambda row=row: services.adopt(unknown_id=row.pk, actor=Actor.person(dana)),  # type: ignore[misc]
            lambda row=row: services.withdraw(unknown_id=row.pk, actor=Actor.person(alice)),  # type: ignore[misc]
        )

        refused = [one for one in answers if isinstance(one, Conflict)]
        row.refresh_from_db()
        assert [one.code for one in refused] == (
            ["adopted"] if row.ending == Ending.ADOPTED else ["withdrawn"]
        )
        assert (row.request is None) == (row.withdrawal_asked_at is not None)


@pytest.mark.django_db
def test_a_mitigation_adopted_during_an_inventory_does_not_become_unknown_again(
    acme_northgate: Subscription, shop: ProtectedResource, dana: User
) -> None:
    for mid in range(ROUNDS):
        record(acme_northgate, reported(mid))
        row = UnknownMitigation.objects.get(mid=mid)

        at_once(
            lambda row=row: services.adopt(unknown_id=row.pk, actor=Actor.person(dana)),  # type: ignore[misc]
            lambda mid=mid: record(acme_northgate, reported(mid)),  # type: ignore[misc]
            lambda mid=mid: record(acme_northgate, reported(mid)),  # type: ignore[misc]
        )

        [row] = UnknownMitigation.objects.filter(mid=mid)
        assert row.ending == Ending.ADOPTED
    assert MitigationRequest.objects.count() == ROUNDS


@pytest.mark.django_db
def test_a_mid_found_in_use_twice_simultaneously_is_replaced_once(
    submit: Submit, acme_northgate: Subscription
) -> None:
    request = submit()
    [mitigation] = mitigations_of(request)
    sent(mitigation)

    def take() -> int | None:
        return take_higher_mid(
            mitigation_id=mitigation.pk, refused_mid=mitigation.mid, to=41, is_listed=True,
            is_in_use=True,
            now=timezone.now(),
        )  # fmt: skip

    assert at_once(take, take, take) == [41, 41, 41]
    assert Event.objects.filter(data__why="mid_in_use").count() == 1
    assert Subscription.objects.get(pk=acme_northgate.pk).next_mid == 42
