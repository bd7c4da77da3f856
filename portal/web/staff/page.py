"""The organizations of the portal, for its staff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.urls import reverse

from portal.mitigations.queries import live_counts
from portal.organizations.admin_removal import has_successor
from portal.organizations.founding import MAX_NAME_LENGTH, PRESETS
from portal.organizations.invitations import unanswered
from portal.organizations.live_limit import MAX_LIMIT, MIN_LIMIT
from portal.organizations.members import admins, is_last_admin
from portal.organizations.models import Membership, Organization
from portal.web.rendering import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetChoice:
    """One preset in the list to choose from."""

    value: str
    name: str
    text: str
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrganizationPage(Page):
    """The form for a new organization."""

    template: ClassVar = "staff/new_organization.html"

    name: str
    admin_email: str
    presets: Sequence[PresetChoice]
    errors: Mapping[str, str] = field(default_factory=dict)


def new_organization_page(
    *,
    name: str = "",
    admin_email: str = "",
    preset: str = "standard",
    errors: Mapping[str, str] | None = None,
) -> NewOrganizationPage:
    return NewOrganizationPage(
        name=name,
        admin_email=admin_email,
        presets=[
            PresetChoice(value=key, name=one.name, text=one.text, is_chosen=key == preset)
            for key, one in PRESETS.items()
        ],
        errors=errors or {},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitedAdmin:
    """An invitation that was not accepted."""

    email: str
    revoke: str
    sent_at: datetime
    ends_at: datetime
    has_ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedReason:
    """What staff typed into a form that was refused, and why."""

    act: str = ""
    act_error: str = ""
    suspend: str = ""
    suspend_error: str = ""
    name: str = ""
    name_error: str = ""
    limit: str = ""
    limit_error: str = ""
    limit_reason: str = ""
    limit_reason_error: str = ""
    close: str = ""
    close_error: str = ""

    @property
    def is_wrong(self) -> bool:
        return any(
            (
                self.act_error,
                self.suspend_error,
                self.name_error,
                self.limit_error,
                self.limit_reason_error,
                self.close_error,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminRow:
    """One admin of the organization."""

    name: str
    last_sign_in: datetime | None
    remove: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationPage(Page):
    """Who can act for one organization, and the forms with which staff change it."""

    template: ClassVar = "staff/organization.html"

    organization: Organization
    admins: Sequence[AdminRow]
    invitations: Sequence[InvitedAdmin]
    live: int
    "its requests that are not over"
    email: str = ""
    error: str = ""
    typed: TypedReason = TypedReason()

    max_name: int = MAX_NAME_LENGTH
    limit_label: str = f"Live requests, {MIN_LIMIT:,} to {MAX_LIMIT:,}"

    @property
    def acting_minutes(self) -> int:
        """How long staff act before they have to ask again."""
        return int(settings.STAFF_ACTING_FOR.total_seconds() // 60)


def organization_page(
    organization: Organization,
    now: datetime,
    *,
    email: str = "",
    error: str = "",
    typed: TypedReason = TypedReason(),
) -> OrganizationPage:
    return OrganizationPage(
        organization=organization,
        admins=[_admin(one) for one in admins(organization)],
        live=live_counts([organization.pk]).get(organization.pk, 0),
        invitations=[
            InvitedAdmin(
                email=one.email,
                revoke=reverse("staff-pages:revoke", args=[organization.slug, one.pk]),
                sent_at=one.sent_at,
                ends_at=one.expires_at,
                has_ended=one.expires_at <= now,
            )
            for one in unanswered(organization).filter(is_by_staff=True)
        ],
        email=email,
        error=error,
        typed=typed,
    )


def _admin(membership: Membership) -> AdminRow:
    place = [membership.organization.slug, membership.user_id]
    return AdminRow(
        name=membership.user.username,
        last_sign_in=membership.user.last_login,
        remove=reverse("staff-pages:remove-admin", args=place),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveAdminPage(Page):
    """What ends if staff remove an admin, and the form for the reason."""

    template: ClassVar = "staff/remove_admin.html"

    organization: Organization
    name: str
    needs_successor: bool
    "no other admin could sign in, and none is invited"
    reason: str
    error: str


def remove_admin_page(
    membership: Membership, *, reason: str = "", error: str = ""
) -> RemoveAdminPage:
    return RemoveAdminPage(
        organization=membership.organization,
        name=membership.user.username,
        needs_successor=is_last_admin(membership) and not has_successor(membership.organization),
        reason=reason,
        error=error,
    )
