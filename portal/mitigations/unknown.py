"""Unknown mitigations: held by a provider under our identity, although no request here asked for
them.

A new request replaces them like any other. `portal.inventory` owns their rows and depends on this
app, so this module reads them through the subscription.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from portal.core.targets import PortRange, ReportedTargets, Targets
from portal.mitigations.models import RequestKind
from portal.mitigations.overlaps import Coverage
from portal.mitigations.states import ACTIVE, WINDING_DOWN, Status, reported_status
from portal.providers.models import Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """An unknown mitigation, as the provider last reported it."""

    id: UUID
    subscription: Subscription
    targets: ReportedTargets
    "as the provider spells them"
    ports: tuple[PortRange, ...]
    protocols: tuple[int, ...]
    is_preconfigured: bool
    dots_status: int | None
    found_at: datetime
    reported_at: datetime

    @property
    def subscription_id(self) -> UUID:
        return self.subscription.pk

    @property
    def provider(self) -> str:
        return self.subscription.provider.short_name

    @property
    def coverage(self) -> Coverage:
        return Coverage.reported(self.targets, self.ports, self.protocols)

    @property
    def status(self) -> Status | None:
        """None if the provider reports no status, or one that the portal does not know."""
        return reported_status(self.dots_status)

    @property
    def is_active(self) -> bool:
        """The provider acts for it, or did until the attack stopped."""
        return self.status in ACTIVE

    @property
    def name(self) -> str:
        """The first target, and how many more there are."""
        first, *more = self.targets.texts
        return f"{first} and {len(more)} more" if more else first

    @property
    def scope(self) -> Targets:
        """The targets that a request can name, in normal form."""
        return self.targets.targets


def replaceable_unknown(organization_id: UUID, kind: RequestKind) -> list[Unknown]:
    """The unknown mitigations that a new overlapping request of this kind would end; see
    `queries.replaceable`.

    Left out are those that end anyway (withdrawn by a person, winding down, or past their
    lifetime), those that the provider withdrew (for an immediate request), and those that the
    provider does not describe.
    """
    now = timezone.now()
    holding = Subscription.objects.filter(
        organization_id=organization_id,
        unknown_mitigations__isnull=False,
        unknown_mitigations__ended_at=None,
    )
    found = [
        Unknown(
            id=row.pk,
            subscription=subscription,
            targets=row.targets,
            ports=row.ports,
            protocols=row.protocols,
            is_preconfigured=row.is_preconfigured,
            dots_status=row.dots_status,
            found_at=row.found_at,
            reported_at=row.reported_at,
        )
        for subscription in holding.select_related("provider").distinct()
        for row in subscription.unknown_mitigations.filter(
            ended_at=None, withdrawal_asked_at=None
        ).order_by("mid")
        if row.expires_at is None or row.expires_at > now
    ]
    return [one for one in found if one.coverage and _ends(one, kind)]


def unknown_table() -> str:
    """The table, for a statement that the ORM cannot express. It has the columns `organization_id`
    and `ended_at`.
    """
    model = Subscription._meta.get_field("unknown_mitigations").related_model
    assert model is not None
    return str(model._meta.db_table)


def _ends(one: Unknown, kind: RequestKind) -> bool:
    if one.dots_status == WINDING_DOWN:
        return False
    if kind != RequestKind.IMMEDIATE:
        return one.is_preconfigured
    if one.status == Status.WITHDRAWN:
        # It filters nothing, so an immediate request takes no protection away.
        return False
    return not one.is_preconfigured or one.is_active
