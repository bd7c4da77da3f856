"""In which order the providers of an organization are asked, and which of them."""

from __future__ import annotations

from django.db import transaction

from portal.accounts.actors import Actor
from portal.core.errors import Conflict
from portal.organizations.access import require_current_role
from portal.organizations.models import Role
from portal.providers import queries
from portal.providers import services as providers
from portal.providers.models import Subscription


@transaction.atomic
def move(*, subscription: Subscription, is_up: bool, actor: Actor) -> None:
    """Change places with the one before or after it. Conflict if there is none."""
    require_current_role(subscription.organization_id, actor, Role.ADMIN)
    own = list(queries.connected(subscription.organization))
    at = next((place for place, one in enumerate(own) if one.pk == subscription.pk), -1)
    to = at - 1 if is_up else at + 1
    if at < 0 or not 0 <= to < len(own):
        end = "first" if is_up else "last"
        raise Conflict(f"{subscription.provider.name} is the {end} one already.", code="at-the-end")
    providers.swap_order(subscription=own[at], other=own[to], actor=actor)


@transaction.atomic
def place(*, subscription: Subscription, at: int, actor: Actor) -> None:
    """Make it the `at`-th one that is asked, from 1; further than the last is the last."""
    require_current_role(subscription.organization_id, actor, Role.ADMIN)
    while True:
        own = list(queries.connected(subscription.organization))
        now = next(index for index, one in enumerate(own, start=1) if one.pk == subscription.pk)
        wanted = min(max(at, 1), len(own))
        if now == wanted:
            return
        to = now - 1 if wanted < now else now + 1
        providers.swap_order(subscription=own[now - 1], other=own[to - 1], actor=actor)


@transaction.atomic
def set_asked(*, subscription: Subscription, is_asked: bool, actor: Actor) -> None:
    """Whether new requests may ask the provider. Live mitigations stay."""
    require_current_role(subscription.organization_id, actor, Role.ADMIN)
    now = Subscription.objects.select_related("provider").get(pk=subscription.pk)
    providers.set_order(subscription=now, priority=now.priority, enabled=is_asked, actor=actor)
