"""What each provider may protect, and which ones are asked for it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest
from portal.mitigations.states import Trigger
from portal.providers.models import Subscription
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import confirm, mitigations_of, names, refuse, report


@pytest.fixture
def limited(acme_northgate: Subscription, acme_tidewall: Subscription) -> None:
    Subscription.objects.filter(pk=acme_northgate.pk).update(limited_to=["203.0.113.0/28"])
    Subscription.objects.filter(pk=acme_tidewall.pk).update(limited_to=["203.0.113.16/28"])


OLD, NEW = "203.0.113.1/32", "203.0.113.17/32"


@pytest.fixture
def mixed(submit: Submit, limited: None) -> MitigationRequest:
    return submit(resources=(), prefixes=(OLD, NEW))


def test_each_provider_gets_only_the_targets_it_may_protect_and_all_are_asked_together(
    mixed: MitigationRequest,
) -> None:
    first, second = mixed.mitigations.all()

    assert list(first.scope.texts) == [OLD]
    assert list(second.scope.texts) == [NEW]
    assert (first.cause, second.cause) == ("first", "first")


def test_no_other_provider_is_asked_for_a_target_that_only_one_may_protect(
    mixed: MitigationRequest,
) -> None:
    first, second = mitigations_of(mixed)
    confirm(first)

    refuse(second)

    mixed.refresh_from_db()
    assert len(mitigations_of(mixed)) == 2
    assert (mixed.status, mixed.has_uncovered_targets) == ("in_progress", True)


def test_targets_are_uncovered_until_a_provider_takes_them_or_they_are_no_longer_wanted(
    mixed: MitigationRequest, alice: User
) -> None:
    first, second = mitigations_of(mixed)
    seen = []

    for step in (
        lambda: confirm(first),
        lambda: refuse(second),
        lambda: confirm(second),
        lambda: refuse(second),
        lambda: report(second, Trigger.PROVIDER_WITHDREW),
        lambda: services.terminate(request_id=mixed.pk, actor=Actor.person(alice)),
    ):
        step()
        mixed.refresh_from_db()
        seen.append(mixed.has_uncovered_targets)

    # A refused refresh ends nothing.
    assert seen == [False, True, False, False, True, False]


def test_a_refused_provider_is_retried_while_another_protects_other_targets(
    mixed: MitigationRequest,
) -> None:
    first, second = mitigations_of(mixed)
    confirm(first)
    refuse(second)

    assert services.mark_due_again(now=timezone.now() + timedelta(seconds=31)) == 1
    second.refresh_from_db()
    assert second.status == "pending"


def test_a_later_limit_applies_to_the_next_provider_asked(
    submit: Submit, acme_tidewall: Subscription
) -> None:
    request = submit()
    Subscription.objects.filter(pk=acme_tidewall.pk).update(limited_to=["2001:db8::/32"])

    refuse(mitigations_of(request)[0])

    assert names(request) == ["Northgate"]
