"""The roles of the portal's staff, and the permissions behind each."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.models import Permission

from portal.accounts.models import User
from portal.staff.models import StaffRole

_SUPPORT: Final = frozenset(
    {"organizations.add_organization", "organizations.act_for_organization"}
)
PERMISSIONS: Final[dict[StaffRole, frozenset[str]]] = {
    StaffRole.SUPPORT: _SUPPORT,
    StaffRole.OPERATIONS: _SUPPORT
    | {
        "organizations.change_organization",
        "organizations.change_protectedresource",
        "providers.add_provider",
        "providers.change_provider",
    },
}
"""Of each role but the manager, who is a superuser and has all."""


def role_of(user: User) -> StaffRole | None:
    """None for permissions that are of no role: they were given one by one in `/admin/`. Reads
    `groups` and `user_permissions`, which the caller may prefetch.
    """
    if user.is_superuser:
        return StaffRole.MANAGER
    if user.groups.all():
        return None
    own = {_name_of(one) for one in user.user_permissions.all()}
    return next((role for role, names in PERMISSIONS.items() if names == own), None)


def permissions_of(role: StaffRole | None) -> list[Permission]:
    """The rows; none for a manager, or for no role."""
    names = PERMISSIONS.get(role, frozenset()) if role else frozenset()
    wanted = {name.partition(".")[2] for name in names}
    rows = Permission.objects.filter(codename__in=wanted).select_related("content_type")
    return [row for row in rows if _name_of(row) in names]


def _name_of(permission: Permission) -> str:
    return f"{permission.content_type.app_label}.{permission.codename}"
