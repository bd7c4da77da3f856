"""End an organization's use of a provider, unless a request needs it."""

from __future__ import annotations

from typing import Final

from django.db import transaction

from portal.accounts.actors import Actor
from portal.core.errors import Conflict
from portal.core.formatting import listed, plural
from portal.core.targets import shown
from portal.mitigations.models import Mitigation
from portal.mitigations.states import LIVE
from portal.organizations.access import require_current_role
from portal.organizations.models import Role
from portal.providers import services as providers
from portal.providers.models import ClientKey, Subscription

MAX_NAMED: Final = 3
"""Requests that a refusal names."""


@transaction.atomic
def disconnect(*, subscription: Subscription, actor: Actor) -> None:
    """Forget the key and the certificate. Conflict `provider-in-use` while the provider holds a
    mitigation of a live request or a plan, or winds one down.

    Ended requests keep showing the provider. It can be connected again.
    """
    require_current_role(subscription.organization_id, actor, Role.ADMIN)
    if reason := needed_by(subscription):
        raise Conflict(reason, code="provider-in-use")
    ClientKey.objects.filter(
        organization=subscription.organization_id, provider=subscription.provider_id
    ).delete()
    providers.end(subscription=subscription, actor=actor)


def needed_by(subscription: Subscription) -> str:
    """Why it cannot be disconnected now; empty if it can."""
    live = Mitigation.objects.filter(subscription=subscription, status__in=LIVE)
    names = list(
        live.order_by("request__created_at", "request").values_list("request__name", flat=True)
    )
    if not names:
        return ""
    named = [shown(one) for one in dict.fromkeys(names)]
    more = len(named) - MAX_NAMED
    if more > 0:
        named = [*named[:MAX_NAMED], plural(more, "other")]
    name = subscription.provider.short_name
    return f"{name} is still needed by {listed(named)}. End that first."
