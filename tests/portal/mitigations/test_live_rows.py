"""The rows that a signal worker keeps in memory are the same, whether the ORM reads them or its
compiled SQL.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import F, Q
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.mitigations import queries, services
from portal.mitigations.models import Mitigation, MitigationRequest, ProviderConflict
from portal.mitigations.states import Status, Trigger
from portal.providers.models import Subscription
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import NOW, confirm, mitigations_of, refuse, report


def just_sent(one: Mitigation) -> None:
    services.record_sending(mitigation_id=one.pk, now=timezone.now())


def superseded(one: Mitigation) -> None:
    confirm(one)
    conflict = ProviderConflict(cause=1)
    services.record_superseded(mitigation_id=one.pk, conflict=conflict, now=NOW)


def filtering(one: Mitigation) -> None:
    confirm(one)
    report(one, Trigger.FILTERING)


def extended(one: Mitigation) -> None:
    filtering(one)
    Mitigation.objects.filter(pk=one.pk).update(refresh_asked_at=timezone.now())


def ended(one: Mitigation) -> None:
    Mitigation.objects.filter(pk=one.pk).update(status=Status.TERMINATED)


def asked_again(one: Mitigation) -> None:
    just_sent(one)
    Mitigation.objects.filter(pk=one.pk).update(last_sent_at=F("asked_at") - timedelta(days=1))


LIVES: list[Callable[[Mitigation], None]] = [
    lambda one: None, just_sent, confirm, filtering, extended, refuse, superseded, ended,
    asked_again,
]  # fmt: skip


pytestmark = pytest.mark.sqlite


@pytest.fixture
def rows(submit: Submit) -> list[Mitigation]:
    """One for each of LIVES, at Northgate and perhaps at Quantum."""
    found = [
        mitigations_of(submit(prefixes=(f"203.0.113.{n}/32",), resources=()))[0]
        for n, _ in enumerate(LIVES)
    ]
    for one, live in zip(found, LIVES, strict=True):
        live(one)
    return found


def values(row: Any) -> dict[str, object]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def by_the_orm(subscriptions: set[UUID], named: set[UUID]) -> list[Mitigation]:
    which = Q(subscription_id__in=subscriptions) | Q(pk__in=named)
    return list(queries._live(which).select_related("request").order_by("mid"))


@pytest.mark.parametrize("what", ["all", "named", "both", "nothing"])
def test_live_rows(rows: list[Mitigation], acme_northgate: Subscription, what: str) -> None:
    every = {acme_northgate.pk} if what in ("all", "both") else set()
    named = {one.pk for one in rows[:4]} if what in ("named", "both") else set()

    with CaptureQueriesContext(connection) as statements:
        found = queries.live_mitigations(list(every), list(named))
        assert [values(one.request) for one in found] == [
            values(MitigationRequest.objects.get(pk=one.request_id)) for one in found
        ]

    expected = by_the_orm(every, named)
    assert [values(one) for one in found] == [values(one) for one in expected]
    assert bool(found) == (what != "nothing")
    # The ORM, which SQLite uses, asks nothing if nothing is named.
    assert len(statements) <= 1 + len(found), "each row comes with its request"


def test_unsent_rows(rows: list[Mitigation], acme_northgate: Subscription) -> None:
    found = {one.mitigation: one for one in queries.unsent_versions([acme_northgate.pk])}

    known = {one.pk: one.version for one in Mitigation.objects.all()}
    unsent = {LIVES.index(live) for live in LIVES if live in (LIVES[0], extended, asked_again)}
    own = {index for index, one in enumerate(rows) if one.pk in found}
    assert own == unsent
    assert {one.version for one in found.values()} <= set(known.values())
    assert queries.unsent_versions([]) == []
