from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from portal.core.targets import ReportedTargets
from portal.events.models import Event
from portal.inventory import services
from portal.inventory.models import UnknownMitigation
from portal.inventory.reported_mitigation import ReportedMitigation
from portal.providers.models import Subscription
from tests.portal.mitigations.conftest import submit as submit

Record = Callable[..., None]
CUID = "ours"


def reported(mid: int = 4, prefix: str = "203.0.113.0/26", **fields: Any) -> ReportedMitigation:
    """A mitigation that filters for an hour."""
    kinds = {"prefixes": [prefix], **fields.pop("more", {})}
    targets = ReportedTargets(**{kind: tuple(texts) for kind, texts in kinds.items()})
    fields = {"dots_status": 2, "lifetime_s": 3600, **fields}
    return ReportedMitigation(mid=mid, targets=targets, **fields)


@pytest.fixture
def record(acme_northgate: Subscription) -> Record:
    """Northgate has listed its mitigations to acme."""

    def record(
        *unknown: ReportedMitigation,
        answered_mids: Collection[int] = (),
        refusal: str = "",
        cuid: str = CUID,
        at: datetime | None = None,
        subscription: Subscription = acme_northgate,
    ) -> None:
        services.record_inventory(
            subscription_id=subscription.pk,
            cuid=cuid,
            unknown=unknown,
            answered_mids={*answered_mids, *(one.mid for one in unknown)},
            refusal=refusal,
            now=at or timezone.now(),
        )

    return record


def one() -> UnknownMitigation:
    return UnknownMitigation.objects.get()


def event_data(type_: str = "unknown_mitigation.") -> list[dict[str, Any]]:
    """The data of the events."""
    return [
        {"type": event.type.partition(".")[2], **event.data}
        for event in Event.objects.filter(type__startswith=type_).order_by("seq")
    ]
