"""Queries; the first argument is the organization or the subscription."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet

from portal.inventory.models import UnknownMitigation
from portal.mitigations.models import Mitigation, RequestKind
from portal.mitigations.overlaps import Coverage
from portal.mitigations.release import release_due_at
from portal.mitigations.states import LIVE
from portal.organizations.models import Organization

TERMINATING: Final = 5
"""The DOTS status of a mitigation that is ending (RFC 9132 Table 3)."""
WITHDRAWN_BY_PROVIDER: Final = 7
"""DOTS status of a mitigation that the provider stopped, for example because a newer request
overlaps it (RFC 9132 Table 3).
"""
WITHDRAW_AGAIN_AFTER: Final = timedelta(seconds=30)
"""When to repeat a withdrawal that the provider confirmed but does not carry out."""


def unknown_mitigations(organization: Organization) -> QuerySet[UnknownMitigation]:
    """All unknown mitigations, ended or not."""
    return UnknownMitigation.objects.filter(organization=organization).select_related(
        "subscription__provider", "withdrawn_by", "adopted_by", "request", "asked_once__request"
    )


def present(organization: Organization) -> QuerySet[UnknownMitigation]:
    """Unknown mitigations that providers still hold, by provider, newest first."""
    held = unknown_mitigations(organization).filter(ended_at=None)
    return held.order_by("subscription__priority", "-mid")


def open_unknown(subscription_ids: Collection[UUID]) -> list[UnknownMitigation]:
    """Unknown mitigations that the providers held at their last reports."""
    among = UnknownMitigation.objects.filter(subscription_id__in=subscription_ids)
    return list(among.filter(ended_at=None))


def mids_of_requests(rows: Iterable[UnknownMitigation]) -> set[tuple[UUID, int]]:
    """The (subscription, mid) pairs of `rows` that belong to a mitigation of the portal, ended or
    not.
    """
    same = (Q(subscription=row.subscription_id, mid=row.mid) for row in rows)
    either = reduce(or_, same, Q(pk__in=[]))
    return set(Mitigation.objects.filter(either).values_list("subscription_id", "mid"))


def with_withdrawals(held: Collection[UUID]) -> set[UUID]:
    """The subscriptions among `held` that have an unsent withdrawal."""
    waiting = UnknownMitigation.objects.filter(
        subscription_id__in=held,
        ended_at=None,
        withdrawal_asked_at__isnull=False,
        told_at=None,
        refusal_code="",
    )
    return set(waiting.values_list("subscription_id", flat=True))


def released_for(unknown: UnknownMitigation) -> Mitigation | None:
    """The mitigation of our request for which the provider withdrew `unknown` (status 7 of RFC 9132
    Table 3).

    None if the provider stopped for another reason or did not stop.
    """
    if unknown.dots_status != WITHDRAWN_BY_PROVIDER:
        return None
    own = Coverage.reported(unknown.targets, unknown.ports, unknown.protocols)
    overlapping = Mitigation.objects.filter(
        Q(request__kind=RequestKind.IMMEDIATE) | Q(mid__gt=unknown.mid),
        subscription=unknown.subscription_id,
        confirmed_at__isnull=False,
        status__in=LIVE,
    )
    newest_first = overlapping.select_related("request").order_by("-confirmed_at")
    return next(
        (one for one in newest_first if own.shares_target_with(Coverage.of(one.scope))), None
    )


def withdrawal_is_due(unknown: UnknownMitigation, now: datetime) -> bool:
    """Whether to send the withdrawal: it was not sent yet, or the provider confirmed it but
    continues.
    """
    if unknown.withdrawal_asked_at is None or unknown.is_over:
        return False
    if unknown.told_at is None:
        return True
    if unknown.is_still_held:
        due_at = release_due_at(unknown.release_tried_at, unknown.release_tries, now)
        return not unknown.is_release_given_up and due_at <= now
    return unknown.dots_status != TERMINATING and unknown.told_at + WITHDRAW_AGAIN_AFTER <= now
