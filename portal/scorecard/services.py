"""All changes to service levels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from typing import Final, Self

from django.db import transaction

from portal.accounts.actors import Actor
from portal.core.errors import FieldError, Invalid
from portal.events.data import Changed, EventData
from portal.events.models import EventType
from portal.organizations.access import require_current_role
from portal.organizations.models import Role
from portal.organizations.recording import record_change
from portal.providers.models import Subscription
from portal.scorecard.models import (
    AVAILABILITY_PLACES,
    MAX_AVAILABILITY,
    MAX_WITHIN_S,
    MIN_WITHIN_S,
    ServiceLevels,
)

SECONDS: Final = ("accept_within_s", "filter_within_s", "stop_within_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelValues:
    """The service levels of one subscription; None: not agreed."""

    accept_within_s: int | None = None
    filter_within_s: int | None = None
    stop_within_s: int | None = None
    availability: Decimal | None = None
    "percent"

    @classmethod
    def of(cls, row: ServiceLevels | None) -> Self:
        if row is None:
            return cls()
        return cls(**{one.name: getattr(row, one.name) for one in fields(cls)})

    def problems(self) -> list[FieldError]:
        """Every value that cannot be saved, by the name of its field in the API."""
        return list(self._problems())

    def _problems(self) -> Iterator[FieldError]:
        for name in SECONDS:
            value = getattr(self, name)
            if value is not None and not MIN_WITHIN_S <= value <= MAX_WITHIN_S:
                words = f"{value:,} is not possible: {MIN_WITHIN_S} to {MAX_WITHIN_S:,} seconds."
                yield FieldError(name.removesuffix("_s"), "out-of-range", words)
        percent = self.availability
        if percent is None:
            return
        if not percent.is_finite() or not 0 < percent <= MAX_AVAILABILITY:
            words = f"More than 0 and at most {MAX_AVAILABILITY} percent."
            yield FieldError("availability", "out-of-range", words)
        elif round(percent, AVAILABILITY_PLACES) != percent:
            words = f"At most {AVAILABILITY_PLACES} digits after the decimal point."
            yield FieldError("availability", "too-exact", words)


@transaction.atomic
def set_service_levels(
    *, subscription: Subscription, actor: Actor, values: LevelValues
) -> LevelValues:
    """An admin says what the provider agreed to; an empty value was not agreed.

    Raises Invalid with every wrong field. The record has the values before and after.
    """
    require_current_role(subscription.organization_id, actor, Role.ADMIN)
    if found := values.problems():
        raise Invalid("Nothing was saved.", errors=found)
    before = LevelValues.of(ServiceLevels.objects.filter(pk=subscription.pk).first())
    changed = _changed(before, values)
    if not changed:
        return values
    record_change(
        subscription.organization_id,
        EventType.SUBSCRIPTION_CHANGED,
        actor=actor,
        data=EventData(
            subscription=str(subscription.pk),
            provider=subscription.provider.short_name,
            changed=changed,
        ),
    )
    ServiceLevels.objects.update_or_create(subscription=subscription, defaults=asdict(values))
    return values


def _changed(before: LevelValues, after: LevelValues) -> dict[str, Changed]:
    pairs = {name: (getattr(before, name), value) for name, value in asdict(after).items()}
    return {
        name: {"from": _stored(old), "to": _stored(new)}
        for name, (old, new) in pairs.items()
        if old != new
    }


def _stored(value: int | Decimal | None) -> int | float | None:
    """As JSON."""
    return float(value) if isinstance(value, Decimal) else value
