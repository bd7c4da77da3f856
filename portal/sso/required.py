"""Members of an organization that requires single sign-on cannot use a password. Admins can: an
identity provider that is broken must lock no one out for good.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from portal.accounts.models import User
from portal.core.errors import OtherSignInRequired
from portal.organizations.models import Membership, Organization, Role
from portal.sso.models import SingleSignOn


def refuse_password(user: User, **_: Any) -> None:
    """Receives `password_accepted` of portal.accounts. OtherSignInRequired if `user` has to use
    single sign-on.
    """
    if must_use_single_sign_on(user):
        raise OtherSignInRequired


def must_use_single_sign_on(user: User) -> bool:
    """Whether the password of `user` opens nothing now."""
    own = list(Membership.objects.filter(user=user).values_list("organization", "role"))
    if user.is_staff or len(own) != 1 or own[0][1] == Role.ADMIN:
        return False
    return SingleSignOn.objects.filter(organization=own[0][0], is_required=True).exists()


def bound_members(organization: Organization) -> QuerySet[User]:
    """Those who have to use it, if it is required."""
    elsewhere = Membership.objects.exclude(organization=organization).values("user")
    members = Membership.objects.filter(organization=organization).exclude(role=Role.ADMIN)
    return (
        User.objects.filter(pk__in=members.values("user"), is_staff=False)
        .exclude(pk__in=elsewhere)
        .order_by("pk")
    )
