from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from portal.accounts.access import person_of
from portal.accounts.models import User
from portal.core.admin import StaffAdmin, site
from portal.events.models import EventCounter
from portal.organizations import services
from portal.organizations.models import (
    Membership,
    Organization,
    Role,
)


@admin.register(Organization, site=site)
class OrganizationAdmin(StaffAdmin):
    """Tenants and their policies."""

    acts_with_events = frozenset({"changed"})
    list_display = ("name", "slug", "is_active", "patience_s", "max_lifetime_s")
    search_fields = ("name", "slug")
    fields = services.SETTINGS
    prepopulated_fields = {"slug": ("name",)}
    instead_of_deleting = (
        "Untick Active instead: members are locked out, and their live requests continue."
    )

    def get_deleted_objects(
        self, objs: Iterable[Organization], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """Also names the log as a reason not to delete: no foreign key protects it."""
        rows = list(objs)
        deleted, counts, perms_needed, protected = super().get_deleted_objects(rows, request)
        logs = EventCounter.objects.filter(pk__in=[one.pk for one in rows])
        with_log = set(logs.values_list("pk", flat=True))
        histories = [f"Log of {one.name}" for one in rows if one.pk in with_log]
        return deleted, counts, perms_needed, [*protected, *histories]

    def save_model(
        self,
        request: HttpRequest,
        obj: Organization,
        form: forms.ModelForm[Organization],
        change: bool,  # noqa: FBT001 — Django's signature
    ) -> None:
        if change:
            services.change_settings(organization=obj, actor=person_of(request))
        else:
            super().save_model(request, obj, form, change)


@admin.register(Membership, site=site)
class MembershipAdmin(StaffAdmin):
    """Roles of people.

    The person of a membership cannot be changed: delete it and add a new one.
    """

    acts_with_events = frozenset({"added", "changed", "deleted"})
    list_display = ("user", "organization", "role")
    list_filter = ("role", "organization")
    list_select_related = ("user", "organization")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Membership | None = None
    ) -> tuple[str, ...]:
        return ("user", "organization") if obj else ()

    def save_model(
        self,
        request: HttpRequest,
        obj: Membership,
        form: forms.ModelForm[Membership],
        change: bool,  # noqa: FBT001 — Django's signature
    ) -> None:
        membership = services.set_role(
            organization=obj.organization,
            user=_person(obj),
            role=Role(obj.role),
            actor=person_of(request),
        )
        obj.pk = membership.pk

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        services.remove_member(
            organization=obj.organization, user=_person(obj), actor=person_of(request)
        )

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        for membership in queryset.select_related("organization", "user"):
            self.delete_model(request, membership)


def _person(membership: Membership) -> User:
    return membership.user
