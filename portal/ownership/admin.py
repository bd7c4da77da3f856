"""Resources on the staff site. What waits for a decision has its own pages (portal/web/staff)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from portal.accounts.access import actor_of, person_of
from portal.core.addresses import address_of
from portal.core.admin import StaffAdmin, site
from portal.core.targets import shown
from portal.organizations import services
from portal.organizations.admin_forms import NewResourceForm
from portal.organizations.models import ProtectedResource, ResourceKind
from portal.ownership import services as ownership
from portal.ownership.uses import uses_of


@admin.register(ProtectedResource, site=site)
class ResourceAdmin(StaffAdmin):
    """The resources that organizations may request protection for.

    Staff can only add, verify and remove them.
    """

    acts_with_events = frozenset({"added", "changed", "deleted"})
    list_display = ("shown_name", "organization", "kind", "shown_value", "verified_at")
    list_filter = (("verified_at", admin.EmptyFieldListFilter), "organization")
    list_select_related = ("organization",)
    search_fields = ("name", "value")
    fields = (
        "organization",
        "shown_name",
        "kind",
        "shown_value",
        "problem",
        "verified_at",
        "verified_by",
        "verification_reason",
        "last_used_at",
    )
    readonly_fields = fields
    actions = ("verify",)

    def get_deleted_objects(
        self, objs: Iterable[ProtectedResource], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """What a live request or a plan needs cannot be removed."""
        rows = list(objs)
        deleted, counts, perms_needed, protected = super().get_deleted_objects(rows, request)
        needed = [ownership.needed_by(uses) for row in rows if (uses := uses_of(row))]
        # Its claim, its checks and the links from ended requests are deleted with it.
        return deleted, counts, perms_needed & {"protected resource"}, [*protected, *needed]

    def delete_model(self, request: HttpRequest, obj: ProtectedResource) -> None:
        ownership.remove_resource(
            resource=obj,
            actor=person_of(request),
            address=address_of(request),
            is_by_staff=True,
        )

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ProtectedResource]) -> None:
        for resource in queryset:
            self.delete_model(request, resource)

    def get_fields(
        self, request: HttpRequest, obj: ProtectedResource | None = None
    ) -> tuple[str, ...]:
        return self.fields if obj else NewResourceForm.Meta.fields

    def get_readonly_fields(
        self, request: HttpRequest, obj: ProtectedResource | None = None
    ) -> tuple[str, ...]:
        return self.readonly_fields if obj else ()

    def get_form(
        self,
        request: HttpRequest,
        obj: ProtectedResource | None = None,
        change: bool = False,  # noqa: FBT001, FBT002 — Django's signature
        **options: Any,
    ) -> type[forms.ModelForm[ProtectedResource]]:
        if not change:
            options["form"] = NewResourceForm
        return super().get_form(request, obj, change, **options)

    def save_model(
        self,
        request: HttpRequest,
        obj: ProtectedResource,
        form: forms.ModelForm[ProtectedResource],
        change: bool,  # noqa: FBT001 — Django's signature
    ) -> None:
        if change:
            return
        added = services.add_resource(
            organization=obj.organization,
            actor=actor_of(request),
            name=obj.name,
            kind=ResourceKind(obj.kind),
            value=obj.value,
            is_by_staff=True,
        )
        obj.pk = added.pk

    @admin.display(description="Name", ordering="name")
    def shown_name(self, resource: ProtectedResource) -> str:
        """The name without characters that reorder or hide text."""
        return shown(resource.name)

    @admin.display(description="Value", ordering="value")
    def shown_value(self, resource: ProtectedResource) -> str:
        return shown(resource.value)

    @admin.action(description="Verify the selected resource…", permissions=["change"])
    def verify(
        self, request: HttpRequest, queryset: QuerySet[ProtectedResource]
    ) -> HttpResponse | None:
        """Opens the staff's page, the only place where a person decides."""
        chosen = list(queryset[:2])
        if len(chosen) == 1:
            return redirect("staff-pages:claim", chosen[0].pk)
        messages.error(request, "Choose one resource at a time: each must be checked separately.")
        return None
