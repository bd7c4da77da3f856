"""The worker's own sweep finds unsent changes, whatever happened to the wake-up."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import queries, services
from portal.mitigations.models import Mitigation
from portal.providers.models import Subscription
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import NOW, confirm, mitigations_of

LATER = NOW + timedelta(seconds=60)
SAID = {"status": "mitigating", "asked_at": NOW, "sent_at": NOW, "last_sent_at": NOW}


@pytest.mark.parametrize(
    ("columns", "is_unsaid"),
    [
        ({"status": "pending", "sent_at": None}, True),
        ({**SAID, "status": "pending"}, False),
        ({**SAID, "status": "pending", "asked_at": LATER}, True),
        (SAID, False),
        ({**SAID, "refresh_asked_at": NOW}, True),
        ({**SAID, "refresh_asked_at": LATER, "refreshed_at": NOW}, True),
        ({**SAID, "refresh_asked_at": NOW, "refreshed_at": LATER}, False),
        ({**SAID, "efficacy_asked_at": NOW}, True),
        ({**SAID, "efficacy_asked_at": LATER, "efficacy_answered_at": NOW}, True),
        ({**SAID, "efficacy_asked_at": NOW, "efficacy_answered_at": NOW}, False),
        ({**SAID, "efficacy_asked_at": NOW, "efficacy_retry_at": LATER}, False),
        ({**SAID, "status": "terminating"}, True),
        ({**SAID, "status": "terminating", "withdrawal_confirmed_at": NOW}, False),
        ({**SAID, "status": "terminated", "refresh_asked_at": NOW}, False),
    ],
)
def test_unsent_changes_are_found(
    submit: Submit, acme_northgate: Subscription, columns: dict[str, Any], *, is_unsaid: bool
) -> None:
    mitigation = mitigations_of(submit())[0]
    Mitigation.objects.filter(pk=mitigation.pk).update(**columns)

    found = queries.unsent_versions([acme_northgate.pk])

    assert [one.mitigation for one in found] == ([mitigation.pk] if is_unsaid else [])


def test_a_worker_finds_only_changes_of_its_own_subscriptions(
    submit: Submit, acme_northgate: Subscription, globex_northgate: Subscription
) -> None:
    submit()

    assert queries.unsent_versions([globex_northgate.pk]) == []


def test_an_extension_and_an_efficacy_update_are_found(
    submit: Submit, dana: User, acme_northgate: Subscription
) -> None:
    extended, reported = submit(), submit()
    held = [acme_northgate.pk]
    for request in (extended, reported):
        confirm(mitigations_of(request)[0])
    assert queries.unsent_versions(held) == []

    services.extend(request_id=extended.pk, actor=Actor.person(dana), lifetime_s=7200)
    assert unsent_of(held) == mitigations_of(extended)

    mitigation, now = mitigations_of(extended)[0], timezone.now()
    services.record_confirmed(
        mitigation_id=mitigation.pk,
        lifetime_s=7200,
        asked_at=now,
        extended_at=mitigation.refresh_asked_at,
        now=now,
    )
    assert queries.unsent_versions(held) == []
    services.report_efficacy(
        request_id=reported.pk, actor=Actor.person(dana), attack_status="under-attack"
    )
    assert unsent_of(held) == mitigations_of(reported)


def unsent_of(subscription_ids: Collection[UUID]) -> list[Mitigation]:
    ids = [one.mitigation for one in queries.unsent_versions(subscription_ids)]
    return list(Mitigation.objects.filter(pk__in=ids))
