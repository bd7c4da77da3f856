"""The staff site, which also requires the second factor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, ClassVar, Final, TypeVar, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import BadRequest, ValidationError
from django.db import models
from django.db.models import QuerySet
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver
from django_otp.admin import OTPAdminSite

from portal.core.addresses import address_of
from portal.core.errors import NotAllowed
from portal.core.security_log import SecurityEvent, record

_CHANGED_VALUES: Final = "portal.changed_values"
View = TypeVar("View", bound=Callable[..., HttpResponseBase])


class StaffSite(OTPAdminSite):
    """Django's admin without its own sign-in."""

    site_header = "Portal staff"
    site_title = "Portal staff"
    index_title = "Organizations and providers"

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Drops Django's "view on site" route: no model has such a page, and invalid ids in it
        raise errors that nothing catches.
        """
        return [
            entry for entry in super().get_urls() if getattr(entry, "name", "") != "view_on_site"
        ]

    def admin_view(self, view: View, cacheable: bool = False) -> View:  # noqa: FBT001, FBT002 — Django's signature
        """Answers 400 where Django's pages would fail: a NUL, which PostgreSQL cannot store, or an
        invalid key.
        """
        inner = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *places: Any, **named: Any) -> HttpResponseBase:
            texts = [
                text for _, many in (*request.GET.lists(), *request.POST.lists()) for text in many
            ]
            if any("\0" in str(text) for text in texts):
                raise BadRequest("the request contains a NUL")
            try:
                return inner(request, *places, **named)
            except ValidationError as error:
                raise BadRequest("an invalid key") from error

        return cast(View, update_wrapper(guarded, inner))

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if self.has_permission(request):
            return redirect("staff:index")
        raise NotAllowed("This site is for portal staff only.")


site = StaffSite("staff")

staff_acted = Signal()
"""Sent in the transaction of an act of staff, with `actor`, `act`, `row`, `before` and `after` of
the changed fields, and the `reason` that staff gave.
"""


@dataclass(frozen=True, slots=True)
class StaffMember:
    """Who acts, as an audit entry names it."""

    id: str
    name: str
    kind: str = "person"
    acting_reason: str = ""


UsesOf = Callable[[Any], Iterable[str]]
_uses: defaultdict[type[models.Model], list[UsesOf]] = defaultdict(list)


def tells_uses_of(model: type[models.Model]) -> Callable[[UsesOf], UsesOf]:
    """Register a function that describes in sentences what a row of `model` is used for now. Staff
    see them before they delete the row.

    Apps in higher layers register these functions in their admin.py.
    """

    def register(uses_of: UsesOf) -> UsesOf:
        _uses[model].append(uses_of)
        return uses_of

    return register


class StaffAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs alone
    """The base of all staff pages: the security log records every action, and a deletion says what
    it affects.
    """

    delete_confirmation_template = "admin/delete_one.html"
    delete_selected_confirmation_template = "admin/delete_many.html"
    instead_of_deleting: ClassVar[str] = ""
    """A sentence that says what to do instead of deleting a row with a history."""

    acts_with_events: ClassVar[frozenset[str]] = frozenset()
    """Which of `added`, `changed` and `deleted` a service records as an event."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow only the lookups of list_filter: others would let a reader guess fields that no
        page shows.

        Reject NUL, which PostgreSQL cannot store.
        """
        names = self.list_filter if request is None else self.get_list_filter(request)
        fields = {name[0] if isinstance(name, tuple | list) else name for name in names}
        allowed: bool = super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]  # as Django's own
        return lookup.partition("__")[0] in fields and "\0" not in value and allowed

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> models.Model | None:
        """Ignores an empty `?_to_field=`, for which Django would look up a field without a name."""
        return super().get_object(request, object_id, from_field or None)

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        self._record(request, "added", obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        self._record(request, "changed", obj, message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            self._record(request, "deleted", obj)
        return super().log_deletions(request, queryset)

    def _record(self, request: HttpRequest, act: str, obj: models.Model, message: Any = "") -> None:
        record(
            SecurityEvent.ADMIN_ACTION,
            actor=request.user.get_username(),
            act=act,
            target=f"{self.opts.model_name} {obj}",
            id=str(obj.pk),
            address=address_of(request),
            **({"changes": _changes(message)} if message else {}),
        )
        if act in self.acts_with_events:
            return
        values: tuple[Any, Any] = request.META.pop(_CHANGED_VALUES, (None, None))
        before, after = values if act == "changed" else (None, None)
        staff_acted.send(
            sender=type(obj),
            actor=StaffMember(str(request.user.pk), request.user.get_username()),
            act=act,
            row=obj,
            before=before,
            after=after,
            reason=message if isinstance(message, str) else "",
        )

    def construct_change_message(
        self,
        request: HttpRequest,
        form: forms.Form,
        formsets: Any,
        add: bool = False,  # noqa: FBT001, FBT002 — Django's signature
    ) -> Any:
        """Keeps the changed values for the audit, which `log_change` does not get."""
        names = form.changed_data
        before = {
            name: _shown(form.get_initial_for_field(form.fields[name], name))
            for name in names
            if name in form.fields
        }
        after = {name: _shown(form.cleaned_data.get(name)) for name in names}
        request.META[_CHANGED_VALUES] = (before, after)
        return super().construct_change_message(request, form, formsets, add)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        return super().delete_view(
            request, object_id, {**(extra_context or {}), **self._deleting([row] if row else [])}
        )

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Replaces Django's "delete selected" by one with the sentences of delete_view."""
        actions: dict[str, Any] = super().get_actions(request)
        if "delete_selected" in actions:
            delete, *rest = actions["delete_selected"]

            def in_words(own: Any, request: HttpRequest, rows: QuerySet[Any]) -> Any:
                answer = delete(own, request, rows)
                if isinstance(answer, TemplateResponse) and answer.context_data is not None:
                    answer.context_data.update(self._deleting(rows))
                return answer

            actions["delete_selected"] = (in_words, *rest)
        return actions

    def refusal_to_delete(self, rows: Sequence[Any]) -> str:
        """Why these rows together must stay; empty if they may go."""
        return ""

    def get_deleted_objects(
        self, objs: Iterable[Any], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        rows = list(objs)
        deleted, counts, perms_needed, protected = super().get_deleted_objects(rows, request)
        refusal = self.refusal_to_delete(rows)
        return deleted, counts, perms_needed, [*protected, refusal] if refusal else protected

    def _deleting(self, rows: Iterable[models.Model]) -> dict[str, Any]:
        own = list(rows)
        uses = [use for row in own for uses_of in _uses[self.model] for use in uses_of(row)]
        refusal = self.refusal_to_delete(own)
        return {"uses": uses, "instead": self.instead_of_deleting, "refusal": refusal}

    def confirmation(
        self,
        request: HttpRequest,
        obj: models.Model,
        form: forms.Form,
        *,
        title: str,
        facts: Iterable[str],
        button: str,
    ) -> TemplateResponse:
        """The page that explains an action before it is done; `form` is posted to the
        same address.
        """
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "object": obj,
            "form": form,
            "facts": list(facts),
            "button": button,
        }
        return TemplateResponse(
            request, "admin/confirmation.html", context, status=400 if form.errors else 200
        )


def _shown(value: Any) -> Any:
    """Rows by their names."""
    if isinstance(value, models.Model):
        return str(value)
    return [str(one) for one in value] if isinstance(value, QuerySet | list) else value


def _changes(message: Any) -> str:
    """The names of changed fields, never their values; or the sentence of a confirmed action, with
    the reason that staff gave.
    """
    if isinstance(message, str):
        return message
    return ", ".join(
        str(name) for part in message for name in part.get("changed", {}).get("fields", ())
    )
