from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path

from portal.accounts.access import actor_of, person_of
from portal.accounts.models import User
from portal.core.addresses import address_of
from portal.core.admin import MAX_REASON_LENGTH, StaffAdmin, site
from portal.core.errors import Invalid
from portal.core.targets import shown
from portal.events.models import EventCounter
from portal.organizations import claims, queries, services
from portal.organizations.admin_forms import NewResourceForm
from portal.organizations.models import (
    Membership,
    Organization,
    ProtectedResource,
    ResourceKind,
    Role,
)

MAX_OVERLAPS_SHOWN: Final = 20


@admin.register(Organization, site=site)
class OrganizationAdmin(StaffAdmin):
    """Tenants and their policies."""

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


class Verification(forms.Form):
    """The staff's decision about a resource."""

    overlaps_seen = forms.CharField(widget=forms.HiddenInput, required=False)
    reason = forms.CharField(
        label="Why it belongs to this organization",
        help_text=(
            "Required if it overlaps with other organizations’ resources. For example: a "
            "reassignment, "
            "with the registry’s record. The reason is saved."
        ),
        max_length=MAX_REASON_LENGTH,
        required=False,
    )


@admin.register(ProtectedResource, site=site)
class ResourceAdmin(StaffAdmin):
    """The resources that organizations may request protection for.

    Staff can only add and verify them.
    """

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
        )
        obj.pk = added.pk

    @admin.display(description="Name", ordering="name")
    def shown_name(self, resource: ProtectedResource) -> str:
        """The name without characters that reorder or hide text."""
        return shown(resource.name)

    @admin.display(description="Value", ordering="value")
    def shown_value(self, resource: ProtectedResource) -> str:
        return shown(resource.value)

    def get_urls(self) -> list[URLPattern]:
        verify = path(
            "<uuid:resource_id>/verify/",
            self.admin_site.admin_view(self.verify_view),
            name="organizations_protectedresource_verify",
        )
        return [verify, *super().get_urls()]

    @admin.action(description="Verify the selected resource…", permissions=["change"])
    def verify(
        self, request: HttpRequest, queryset: QuerySet[ProtectedResource]
    ) -> HttpResponse | None:
        chosen = list(queryset[:2])
        if len(chosen) == 1:
            return redirect("admin:organizations_protectedresource_verify", chosen[0].pk)
        messages.error(request, "Choose one resource at a time: each must be checked separately.")
        return None

    def verify_view(self, request: HttpRequest, resource_id: UUID) -> HttpResponse:
        resource = get_object_or_404(
            ProtectedResource.objects.select_related("organization"), pk=resource_id
        )
        if not self.has_change_permission(request, resource):
            raise PermissionDenied
        if resource.is_verified:
            messages.info(request, f"{shown(resource.name)} is already verified.")
            return redirect("admin:organizations_protectedresource_change", resource.pk)
        typed = request.POST.copy()
        form = Verification(typed or None)
        if request.method == "POST" and form.is_valid():
            try:
                self._verify(request, resource, form.cleaned_data)
            except Invalid as error:
                form.add_error(None, error.message)
            else:
                words = f"{resource.organization} may now request protection for {resource.value}."
                messages.info(request, words)
                return redirect("admin:organizations_protectedresource_changelist")
        found = queries.overlapping(resource)
        # The next submission has seen the overlaps that this page shows.
        typed["overlaps_seen"] = form.initial["overlaps_seen"] = services.fingerprint(found)
        return self.confirmation(
            request,
            resource,
            form,
            title=f"Verify {shown(resource.name)}?",
            facts=(
                (
                    f"{resource.organization} may then have any of its providers filter traffic "
                    f"to {shown(resource.value)}."
                ),
                "Check with the registry or a contract that it belongs to them.",
            ),
            warnings=_warnings(resource, found),
            button="Verify",
        )

    @transaction.atomic
    def _verify(
        self, request: HttpRequest, resource: ProtectedResource, typed: dict[str, str]
    ) -> None:
        services.verify_resource(
            resource=resource,
            actor=person_of(request),
            address=address_of(request),
            reason=typed["reason"],
            overlaps_seen=typed["overlaps_seen"],
        )
        reason = f" Reason: {typed['reason']}" if typed["reason"] else ""
        self.log_change(request, resource, f"Verified.{reason}")


def _warnings(resource: ProtectedResource, found: list[ProtectedResource]) -> list[str]:
    warnings = [
        f"Overlaps with {shown(one.value)} ({shown(one.name)}), verified for {one.organization}."
        for one in found[:MAX_OVERLAPS_SHOWN]
    ]
    if len(found) > MAX_OVERLAPS_SHOWN:
        warnings.append(f"It overlaps with {len(found) - MAX_OVERLAPS_SHOWN} more.")
    problem = resource.problem or claims.why_too_broad(resource.target)
    return [*warnings, f"It cannot be verified. {problem}"] if problem else warnings


def _person(membership: Membership) -> User:
    return membership.user
