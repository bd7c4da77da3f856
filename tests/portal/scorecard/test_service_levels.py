"""The service levels that an admin typed in."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Invalid, NotAllowed, NotFound
from portal.events.models import Event, EventType
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from portal.scorecard.models import ServiceLevels
from portal.scorecard.queries import levels
from portal.scorecard.services import LevelValues, set_service_levels

AGREED = LevelValues(
    accept_within_s=10, filter_within_s=60, stop_within_s=300, availability=Decimal("99.9")
)


def test_an_admin_sets_them_and_the_log_has_both_values(
    acme: Organization, alice: User, acme_northgate: Subscription
) -> None:
    actor = Actor.person(alice)

    set_service_levels(subscription=acme_northgate, actor=actor, values=AGREED)
    set_service_levels(
        subscription=acme_northgate, actor=actor, values=LevelValues(accept_within_s=5)
    )

    assert levels(acme) == {acme_northgate.provider_id: LevelValues(accept_within_s=5)}
    first, second = Event.objects.filter(type=EventType.SUBSCRIPTION_CHANGED).order_by("seq")
    assert first.data["changed"]["availability"] == {"from": None, "to": 99.9}
    assert second.data["changed"]["accept_within_s"] == {"from": 10, "to": 5}
    assert second.data["changed"]["stop_within_s"] == {"from": 300, "to": None}
    assert second.actor == alice


def test_the_same_values_again_change_nothing(alice: User, acme_northgate: Subscription) -> None:
    for _ in range(2):
        set_service_levels(subscription=acme_northgate, actor=Actor.person(alice), values=AGREED)

    assert Event.objects.filter(type=EventType.SUBSCRIPTION_CHANGED).count() == 1


def test_only_an_admin_of_the_organization_sets_them(
    dana: User, charlie: User, acme_northgate: Subscription
) -> None:
    for person, refusal in ((dana, NotAllowed), (charlie, NotFound)):
        with pytest.raises(refusal):
            set_service_levels(
                subscription=acme_northgate, actor=Actor.person(person), values=AGREED
            )

    assert not ServiceLevels.objects.exists()


WRONG = [
    (LevelValues(accept_within_s=0), "accept_within", "out-of-range"),
    (LevelValues(filter_within_s=86_401), "filter_within", "out-of-range"),
    (LevelValues(stop_within_s=-1), "stop_within", "out-of-range"),
    (LevelValues(availability=Decimal(0)), "availability", "out-of-range"),
    (LevelValues(availability=Decimal("100.001")), "availability", "out-of-range"),
    (LevelValues(availability=Decimal("NaN")), "availability", "out-of-range"),
    (LevelValues(availability=Decimal("99.9999")), "availability", "too-exact"),
]


@pytest.mark.parametrize(("values", "field", "code"), WRONG)
def test_a_value_that_cannot_be_kept_is_refused_at_its_field(
    alice: User, acme_northgate: Subscription, values: LevelValues, field: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        set_service_levels(subscription=acme_northgate, actor=Actor.person(alice), values=values)

    assert [(one.field, one.code) for one in refused.value.errors] == [(field, code)]
    assert not ServiceLevels.objects.exists()


@pytest.mark.parametrize("column", ["accept_within_s", "availability"])
def test_the_database_refuses_them_too(acme_northgate: Subscription, column: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        ServiceLevels.objects.create(subscription=acme_northgate, **{column: 0})
