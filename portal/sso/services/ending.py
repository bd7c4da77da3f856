"""End the sessions that an identity provider opened: a session is verified only while the row of
its factor exists.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts import services as accounts
from portal.accounts.models import ApiToken, User
from portal.core.broadcast import access_changed_on_commit
from portal.organizations.models import Membership
from portal.sso import queries
from portal.sso.models import FederatedFactor, FederatedIdentity

WHY: Final = "single-sign-on-ended"


def end_sessions(organization_id: UUID) -> None:
    """All that the identity provider of this organization opened, in the caller's transaction."""
    own = FederatedFactor.objects.filter(identity__organization=organization_id)
    _end(own.order_by("pk").values_list("pk", "user_id"))


@transaction.atomic
def end_after_joining(instance: Membership, **_: Any) -> None:
    """Receives `post_save` of Membership: an identity provider vouches to its own organization, and
    must not open a second one.
    """
    # An admission locks the same row before it looks for other memberships.
    User.objects.select_for_update(no_key=True).filter(pk=instance.user_id).first()
    others = FederatedFactor.objects.filter(user=instance.user_id).exclude(
        identity__organization=instance.organization_id
    )
    _end(others.order_by("pk").values_list("pk", "user_id"))
    _end_tokens(instance.user_id)


@transaction.atomic
def end_of_staff(instance: User, **_: Any) -> None:
    """Receives `post_save` of User: no tenant's identity provider opens the staff site."""
    if instance.is_staff or instance.is_superuser:
        own = FederatedFactor.objects.filter(user=instance)
        _end(own.order_by("pk").values_list("pk", "user_id"))
        _end_tokens(instance.pk)


def end_orphaned_tokens(now: datetime) -> int:
    """End the tokens that were made by single sign-on and outlived it; return how many."""
    return accounts.end_tokens(queries.orphaned_tokens(now), why=WHY)


def end_tokens_of(organization_id: UUID) -> None:
    """The same for the people of one organization, in the caller's transaction, which holds the
    lock of its log.
    """
    own = FederatedIdentity.objects.filter(organization=organization_id).values("user")
    orphaned = queries.orphaned_tokens(timezone.now()).filter(user__in=own)
    accounts.end_tokens(orphaned, why=WHY)


def _end_tokens(user_id: UUID) -> None:
    # Most people have none, and the query below is long.
    if not ApiToken.objects.filter(user=user_id, is_federated=True).exists():
        return
    orphaned = queries.orphaned_tokens(timezone.now()).filter(user=user_id)
    accounts.end_tokens(orphaned, why=WHY)


def _end(factors: Any) -> None:
    found = list(factors)
    if not found:
        return
    FederatedFactor.objects.filter(pk__in=[pk for pk, _ in found]).delete()
    for user_id in {user_id for _, user_id in found}:
        access_changed_on_commit(user_id)
