"""The staff's pages about resources: both sides of an overlap, and a decision with its reason."""

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
from portal.core.addresses import address_of
from portal.core.admin import MAX_REASON_LENGTH, StaffAdmin, site
from portal.core.errors import Conflict, Invalid
from portal.core.targets import shown
from portal.organizations import claims, services
from portal.organizations import queries as organizations
from portal.organizations.admin_forms import NewResourceForm
from portal.organizations.models import ProtectedResource, ResourceKind
from portal.ownership import services as ownership
from portal.ownership.sides import side_of
from portal.ownership.uses import uses_of

MAX_OVERLAPS_SHOWN: Final = 20
VERIFY: Final = "verify"
REFUSE: Final = "refuse"


class Verification(forms.Form):
    """The staff's decision about a resource."""

    decision = forms.ChoiceField(
        choices=[(VERIFY, "Verify: it belongs to this organization"), (REFUSE, "Refuse")],
        initial=VERIFY,
        required=False,
        widget=forms.RadioSelect,
    )
    overlaps_seen = forms.CharField(widget=forms.HiddenInput, required=False)
    reason = forms.CharField(
        label="Why",
        help_text=(
            "Required to refuse: the organization reads it, so name no other organization. "
            "Required to verify a resource that overlaps with others: for example a reassignment, "
            "with the registry’s record. The reason is saved."
        ),
        max_length=MAX_REASON_LENGTH,
        required=False,
    )


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
            is_refused = form.cleaned_data["decision"] == REFUSE
            try:
                (self._refuse if is_refused else self._verify)(request, resource, form.cleaned_data)
            except (Invalid, Conflict) as error:
                form.add_error(None, error.message)
            else:
                messages.info(request, _outcome(resource, is_refused=is_refused))
                return redirect("admin:organizations_protectedresource_changelist")
        found = organizations.overlapping(resource)
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
            button="Save the decision",
            sides=[side_of(resource), *(side_of(one) for one in found[:MAX_OVERLAPS_SHOWN])],
        )

    @transaction.atomic
    def _verify(
        self, request: HttpRequest, resource: ProtectedResource, typed: dict[str, str]
    ) -> None:
        ownership.verify_by_staff(
            resource=resource,
            actor=person_of(request),
            address=address_of(request),
            reason=typed["reason"],
            overlaps_seen=typed["overlaps_seen"],
        )
        reason = f" Reason: {typed['reason']}" if typed["reason"] else ""
        self.log_change(request, resource, f"Verified.{reason}")

    @transaction.atomic
    def _refuse(
        self, request: HttpRequest, resource: ProtectedResource, typed: dict[str, str]
    ) -> None:
        ownership.refuse_by_staff(
            resource=resource,
            actor=person_of(request),
            address=address_of(request),
            reason=typed["reason"],
        )
        self.log_change(request, resource, f"Refused. Reason: {typed['reason']}")


def _outcome(resource: ProtectedResource, *, is_refused: bool) -> str:
    if is_refused:
        return f"{resource.organization} reads that {shown(resource.name)} was refused, and why."
    return f"{resource.organization} may now request protection for {shown(resource.value)}."


def _warnings(resource: ProtectedResource, found: list[ProtectedResource]) -> list[str]:
    warnings = [
        f"Overlaps with {shown(one.value)} ({shown(one.name)}), verified for {one.organization}."
        for one in found[:MAX_OVERLAPS_SHOWN]
    ]
    if len(found) > MAX_OVERLAPS_SHOWN:
        warnings.append(f"It overlaps with {len(found) - MAX_OVERLAPS_SHOWN} more.")
    problem = resource.problem or claims.why_too_broad(resource.target)
    return [*warnings, f"It cannot be verified. {problem}"] if problem else warnings
