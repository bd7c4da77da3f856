from __future__ import annotations

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from portal.accounts.models import User
from portal.core.admin import StaffAdmin, site
from portal.core.errors import Invalid
from portal.organizations import services
from portal.organizations.models import Membership, Organization, ProtectedResource, Role


@admin.register(Organization, site=site)
class OrganizationAdmin(StaffAdmin):
    """Tenants and their policy."""

    list_display = ("name", "slug", "is_active", "patience_s", "max_lifetime_s")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}

    def save_model(
        self,
        request: HttpRequest,
        obj: Organization,
        form: forms.ModelForm[Organization],
        change: bool,  # noqa: FBT001 — Django's signature
    ) -> None:
        super().save_model(request, obj, form, change)
        services.set_active(organization=obj, is_active=obj.is_active)


@admin.register(Membership, site=site)
class MembershipAdmin(StaffAdmin):
    """Who may do what. A role is replaced, never handed on to another person."""

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
            organization=obj.organization, user=_person(obj), role=Role(obj.role)
        )
        obj.pk = membership.pk

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        services.remove_member(organization=obj.organization, user=_person(obj))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        for membership in queryset.select_related("organization", "user"):
            self.delete_model(request, membership)


@admin.register(ProtectedResource, site=site)
class ResourceAdmin(StaffAdmin):
    """What organizations may ask protection for: portal staff verify, and change nothing else."""

    list_display = ("name", "organization", "kind", "value", "verified_at")
    list_filter = (("verified_at", admin.EmptyFieldListFilter), "organization")
    list_select_related = ("organization",)
    search_fields = ("name", "value")
    fields = ("organization", "name", "kind", "value", "problem", "verified_at", "last_used_at")
    readonly_fields = fields
    actions = ("verify",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.action(description="Verify the selected resources")
    def verify(self, request: HttpRequest, queryset: QuerySet[ProtectedResource]) -> None:
        verified = 0
        for resource in queryset:
            try:
                services.verify_resource(resource=resource)
            except Invalid as error:
                messages.error(request, error.message)
            else:
                verified += 1
        if verified:
            words = "this resource" if verified == 1 else f"these {verified} resources"
            messages.info(request, f"The organizations may now ask protection for {words}.")


def _person(membership: Membership) -> User:
    return membership.user
