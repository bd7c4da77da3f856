"""The organizations of the portal, for its staff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from django.db.models import Count, Q
from django.urls import reverse

from portal.organizations.founding import PRESETS
from portal.organizations.invitations import unanswered
from portal.organizations.models import Organization, Role
from portal.web.rendering import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationRow:
    """One organization of the list."""

    name: str
    slug: str
    url: str
    admins: int
    members: int
    is_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationsPage(Page):
    """The list."""

    template: ClassVar = "staff/organizations.html"

    organizations: Sequence[OrganizationRow]


def organizations_page() -> OrganizationsPage:
    is_member = Q(memberships__user__is_active=True)
    rows = Organization.objects.annotate(
        members=Count("memberships", filter=is_member),
        admins=Count("memberships", filter=is_member & Q(memberships__role=Role.ADMIN)),
    )
    return OrganizationsPage(
        organizations=[
            OrganizationRow(
                name=one.name,
                slug=one.slug,
                url=reverse("staff-pages:organization", args=[one.slug]),
                admins=one.admins,
                members=one.members,
                is_active=one.is_active,
            )
            for one in rows.order_by("name", "slug")
        ]
    )


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
class StaffInvitation:
    """An invitation that was not accepted."""

    email: str
    revoke: str
    sent_at: datetime
    ends_at: datetime
    has_ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationPage(Page):
    """Who can act for one organization, and the form to invite an admin."""

    template: ClassVar = "staff/organization.html"

    organization: Organization
    admins: Sequence[str]
    invitations: Sequence[StaffInvitation]
    email: str = ""
    error: str = ""


def organization_page(
    organization: Organization, now: datetime, *, email: str = "", error: str = ""
) -> OrganizationPage:
    admins = organization.memberships.filter(role=Role.ADMIN, user__is_active=True)
    return OrganizationPage(
        organization=organization,
        admins=list(admins.order_by("user__username").values_list("user__username", flat=True)),
        invitations=[
            StaffInvitation(
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
    )
