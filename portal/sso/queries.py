"""Reads of single sign-on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from portal.accounts.enrolled import factor_exists
from portal.accounts.models import ApiToken
from portal.core.targets import TargetError
from portal.core.targets.names import normal_name
from portal.organizations.models import Membership, Organization
from portal.sso.models import EmailDomain, FederatedFactor, FederatedIdentity, SingleSignOn

MAX_TYPED_LENGTH = 254
TOKENS_LAST: Final = timedelta(days=30)
"""How long tokens made by single sign-on work after the person last signed in that way: the portal
does not learn that an identity provider removed someone.
"""


def for_typed(typed: str) -> SingleSignOn | None:
    """By the domain of an address, if it is proved, or by an organization's name in addresses."""
    text = typed.strip().lower()[:MAX_TYPED_LENGTH]
    own = SingleSignOn.objects.filter(organization__is_active=True).select_related("organization")
    if "@" not in text:
        return own.filter(organization__slug=text).first() if text.isprintable() else None
    try:
        name = normal_name(text.rpartition("@")[2])
    except TargetError:
        return None
    proved = EmailDomain.objects.filter(name=name, proved_at__isnull=False)
    return own.filter(organization__in=proved.values("organization")).first()


def for_organization(organization_id: UUID) -> SingleSignOn | None:
    return (
        SingleSignOn.objects.filter(organization=organization_id, organization__is_active=True)
        .select_related("organization")
        .first()
    )


def domains(organization: Organization) -> list[EmailDomain]:
    """By name."""
    return list(EmailDomain.objects.filter(organization=organization))


def can_give_factor() -> Q:
    """For rows of Membership: whether the person has a second factor here, or signs in there."""
    return factor_exists("user_id") | signs_in_there()


def signs_in_there(**_: object) -> Q:
    """For rows of Membership: whether the person has signed in at the organization's identity
    provider, which may still open the account. Receives `other_sign_ins`.
    """
    elsewhere = Membership.objects.filter(user=OuterRef("user_id")).exclude(
        organization=OuterRef("organization_id")
    )
    linked = FederatedIdentity.objects.filter(
        organization=OuterRef("organization_id"),
        user=OuterRef("user_id"),
        user__is_staff=False,
        issuer=OuterRef("organization__single_sign_on__issuer"),
    )
    return Q(Exists(linked)) & ~Q(Exists(elsewhere))


def orphaned_tokens(now: datetime) -> QuerySet[ApiToken]:
    """Tokens made by single sign-on whose person the identity provider may not sign in any more, or
    has not signed in for TOKENS_LAST.
    """
    elsewhere = Membership.objects.filter(user=OuterRef("user_id")).exclude(
        organization=OuterRef("organization_id")
    )
    own = Membership.objects.filter(
        user=OuterRef("user_id"), organization=OuterRef("organization_id")
    )
    vouched = FederatedIdentity.objects.filter(
        Exists(own),
        ~Exists(elsewhere),
        user=OuterRef("user_id"),
        user__is_staff=False,
        issuer=F("organization__single_sign_on__issuer"),
        last_used_at__gt=now - TOKENS_LAST,
    )
    return ApiToken.objects.filter(~Exists(vouched), is_federated=True)


def factor_of(user: object) -> FederatedFactor | None:
    """What the session of a request's `user` is bound to, if an identity provider opened it."""
    device = getattr(user, "otp_device", None)
    if not isinstance(device, FederatedFactor):
        return None
    return FederatedFactor.objects.select_related("identity").filter(pk=device.pk).first()
