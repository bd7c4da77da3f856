from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path

from portal.accounts import services
from portal.accounts.access import actor_of, person_of
from portal.accounts.audited import record_about
from portal.accounts.managers import lock_managers, refusal_to_lose, require_another_manager
from portal.accounts.models import User
from portal.accounts.signals import access_ending, rights_ending
from portal.audit.verbs import Verb
from portal.core.addresses import address_of
from portal.core.admin import StaffAdmin, site
from portal.core.broadcast import access_changed_on_commit
from portal.core.security_log import SecurityEvent, record
from portal.core.typed_lines import MAX_REASON_LENGTH

RIGHTS: Final = frozenset({"is_staff", "is_superuser", "groups", "user_permissions"})
"""The fields that decide what staff may do. A change ends that they act for an organization."""
OF_MANAGERS: Final = ("is_active", "is_staff", "is_superuser")
"""The fields that are true of every manager."""


class Identified(forms.Form):
    """How staff checked the identity of the person who asks."""

    reason = forms.CharField(
        label="How did you verify this person’s identity?",
        help_text=("For example: called back at the number in the contract. Saved in the history."),
        max_length=MAX_REASON_LENGTH,
    )


def permissions_of(user: User) -> set[int]:
    """Primary keys of the permissions of the person and their groups, whether the person is active
    or not.
    """
    given = Permission.objects.filter(Q(user=user) | Q(group__user=user))
    return set(given.values_list("pk", flat=True))


def may_manage(actor: User, person: User) -> bool:
    """Staff may not change people with more permissions: setting such a person's password would
    give staff those permissions.
    """
    if actor.is_superuser:
        return True
    return not person.is_superuser and permissions_of(person) <= permissions_of(actor)


class PersonForm(UserChangeForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """Refuses to take the role of manager, or the access, from the last manager."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not {"is_active", *RIGHTS}.intersection(self.changed_data):
            return cleaned
        # The logs before the person, as everywhere. Until the form is saved, acts of the person
        # wait.
        access_ending.send(sender=None, user=self.instance)
        person = lock_managers(self.instance.pk)[self.instance.pk]
        taken = {one for one in OF_MANAGERS if one in cleaned and not cleaned[one]}
        if taken and (refusal := refusal_to_lose([person])):
            for name in taken:
                self.add_error(name, refusal)
        return cleaned


@admin.register(User, site=site)
class PersonAdmin(StaffAdmin, UserAdmin):  # type: ignore[type-arg]  # generic in the stubs alone
    """People. Their second factors can be reset, never seen."""

    form = PersonForm
    actions = ("reset_second_factor",)
    readonly_fields = ("last_login", "date_joined")
    instead_of_deleting = (
        "Untick Active instead: the person is signed out everywhere at once and cannot sign in "
        "again."
    )
    fieldsets = (
        (None, {"fields": ("username", "email", "first_name", "last_name", "password")}),
        ("Access", {"fields": ("is_active",)}),
        (
            (
                "Portal staff only. Members of an organization need none of these: their "
                "role sets what they can do"
            ),
            {
                "classes": ("collapse",),
                "fields": ("is_staff", "is_superuser", "groups", "user_permissions"),
            },
        ),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("username", "email", "password1", "password2")}),)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if person_of(request).is_superuser:
            return fieldsets
        return [
            (
                title,
                {**options, "fields": [one for one in options["fields"] if one != "is_superuser"]},
            )
            for title, options in fieldsets
        ]

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> forms.ModelMultipleChoiceField[Any] | None:
        actor = person_of(request)
        if not actor.is_superuser:
            own = permissions_of(actor)
            if db_field.name == "user_permissions":
                kwargs["queryset"] = Permission.objects.filter(pk__in=own)
            elif db_field.name == "groups":
                beyond = Permission.objects.exclude(pk__in=own)
                kwargs["queryset"] = Group.objects.exclude(permissions__in=beyond)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and (obj is None or may_manage(person_of(request), obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed: bool = super().has_delete_permission(request, obj)
        return allowed and (obj is None or may_manage(person_of(request), obj))

    def save_model(
        self,
        request: HttpRequest,
        obj: User,
        form: forms.ModelForm[User],
        change: bool,  # noqa: FBT001 — Django's signature
    ) -> None:
        if not change:
            super().save_model(request, obj, form, change)
            return
        # Save only the changed fields: the others may have changed since this form was loaded.
        is_ending = "is_active" in form.changed_data and not obj.is_active
        if is_ending or RIGHTS.intersection(form.changed_data):
            # PersonForm locked the logs and the person.
            rights_ending.send(sender=None, user=obj)
        many = {field.name for field in User._meta.many_to_many}
        obj.save(update_fields=set(form.changed_data) - many)
        if is_ending:
            services.end_access(user=obj)
            record_about(Verb.PERSON_DEACTIVATED, obj, actor=actor_of(request))
            record(
                SecurityEvent.PERSON_DEACTIVATED,
                user=obj.username,
                actor=person_of(request).username,
                address=address_of(request),
            )

    def save_related(
        self,
        request: HttpRequest,
        form: Any,
        formsets: Any,
        change: bool,  # noqa: FBT001 — Django's signature
    ) -> None:
        super().save_related(request, form, formsets, change)
        # Staff cannot give permissions that they lack, even if the form let them through: this
        # rolls everything back.
        if not may_manage(person_of(request), User.objects.get(pk=form.instance.pk)):
            raise PermissionDenied

    @transaction.atomic
    def delete_model(self, request: HttpRequest, obj: User) -> None:
        access_ending.send(sender=None, user=obj)
        require_another_manager(lock_managers(obj.pk)[obj.pk])
        rights_ending.send(sender=None, user=obj)
        access_changed_on_commit(obj.pk)
        super().delete_model(request, obj)

    def refusal_to_delete(self, rows: Sequence[User]) -> str:
        return refusal_to_lose(rows)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for person in queryset:
            self.delete_model(request, person)

    # Resetting a second factor

    def get_urls(self) -> list[URLPattern]:
        reset = path(
            "<uuid:person_id>/reset-second-factor/",
            self.admin_site.admin_view(self.reset_view),
            name="accounts_user_reset_second_factor",
        )
        return [reset, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        person = kwargs.get("obj")
        may_reset = person is not None and self.has_change_permission(request, person)
        context["may_reset_second_factor"] = may_reset
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.action(
        description="Reset the second factor of the selected person…", permissions=["change"]
    )
    def reset_second_factor(
        self, request: HttpRequest, queryset: QuerySet[User]
    ) -> HttpResponse | None:
        people = list(queryset[:2])
        if len(people) == 1:
            return redirect("admin:accounts_user_reset_second_factor", people[0].pk)
        messages.error(request, "Choose one person at a time: each identity must be verified.")
        return None

    def reset_view(self, request: HttpRequest, person_id: Any) -> HttpResponse:
        person = get_object_or_404(User, pk=person_id)
        if not self.has_change_permission(request, person):
            raise PermissionDenied
        form = Identified(request.POST or None)
        if request.method == "POST" and form.is_valid():
            with transaction.atomic():
                services.reset_second_factor(
                    user=person, actor=person_of(request), address=address_of(request)
                )
                reason = form.cleaned_data["reason"]
                self.log_change(request, person, f"Reset the second factor. Reason: {reason}")
            messages.info(
                request,
                f"At the next sign-in, after the password, {person} sets up a new second factor.",
            )
            return redirect("admin:accounts_user_change", person.pk)
        return self.confirmation(
            request,
            person,
            form,
            title=f"Reset the second factor of {person}?",
            facts=(
                f"The authenticator app and the recovery codes of {person} stop working.",
                "Every browser and device of this person is signed out at once.",
                "The next sign-in with the right password sets up the new "
                "second factor. If someone else "
                "may know the password, set a new one first.",
            ),
            button="Reset the second factor",
        )
