from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from portal.accounts.access import person_of
from portal.core.admin import StaffAdmin, site
from portal.core.errors import FieldError, Invalid
from portal.core.json_value import UnreadableValueError, stored_json
from portal.core.targets import IPNetwork, split
from portal.providers import services
from portal.providers.forms import ProviderForm
from portal.providers.models import (
    Provider,
    SessionState,
    Subscription,
)
from portal.providers.wording import no_session_because, still_connected


@admin.register(Provider, site=site)
class ProviderAdmin(StaffAdmin):
    """Who mitigates upstream."""

    form = ProviderForm
    list_display = ("name", "phone", "host", "port", "server_name")
    instead_of_deleting = (
        "Untick Enabled on its subscriptions instead: the portal then no longer asks this provider."
    )
    search_fields = ("name",)


class SubscriptionForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """Keys can be entered but are never shown."""

    limited_to = forms.CharField(
        label="May protect only",
        help_text="One prefix per line, such as prefixes the provider "
        "assigned. Empty: everything the organization may protect. Live mitigations stay.",
        widget=forms.Textarea(attrs={"rows": 4}),
        required=False,
    )
    new_certificate_chain = forms.CharField(
        label="Client certificate (PEM)", widget=forms.Textarea, required=False, strip=True
    )
    new_private_key = forms.CharField(
        label="Its private key (PEM)", widget=forms.Textarea, required=False, strip=True
    )

    class Meta:
        model = Subscription
        fields = ("organization", "provider", "priority", "enabled", "limited_to")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limits = stored_json(self.instance, "limited_to")
        # Text that cannot be read is shown unchanged, and refused until it is corrected.
        self.initial["limited_to"] = (
            "\n".join(map(str, limits)) if isinstance(limits, list) else json.dumps(limits)
        )

    def clean_limited_to(self) -> tuple[IPNetwork, ...]:
        try:
            pieces = split(self.cleaned_data["limited_to"])
            return services.limits_of([piece.text for piece in pieces])
        except Invalid as error:
            raise forms.ValidationError([_with_fixes(one) for one in error.errors]) from error

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        given = [cleaned.get("new_certificate_chain"), cleaned.get("new_private_key")]
        if any(given) != all(given):
            raise forms.ValidationError("Enter the certificate together with its key.")
        if self.instance._state.adding and not all(given):
            raise forms.ValidationError("A new subscription needs a certificate and its key.")
        identity = self.identity()
        if identity is not None:
            try:
                normal = services.usable(identity)
                if self.instance._state.adding and "provider" in cleaned:
                    services.unused_cuid(cleaned["provider"], normal)
            except Invalid as error:
                for one in error.errors:
                    self.add_error(f"new_{one.field}", one.message)
        return cleaned

    def identity(self) -> services.Identity | None:
        if not self.cleaned_data.get("new_private_key"):
            return None
        return services.Identity(
            certificate_chain=self.cleaned_data["new_certificate_chain"].encode(),
            private_key=self.cleaned_data["new_private_key"].encode(),
        )


def _with_fixes(error: FieldError) -> str:
    """The message with the suggestions: Django's forms have no buttons for them."""
    return " ".join([error.message, *(f"{fix.label}." for fix in error.fixes)])


@admin.register(Subscription, site=site)
class SubscriptionAdmin(StaffAdmin):
    """The right of an organization to use a provider."""

    acts_with_events = frozenset({"added", "changed"})
    form = SubscriptionForm
    list_display = ("organization", "provider", "priority", "enabled", "session_state")
    instead_of_deleting = "Untick Enabled instead: the portal then no longer asks this provider."
    list_filter = ("organization", "provider", "session_state")
    list_select_related = ("organization", "provider")
    readonly_fields = (
        "cuid",
        "certificate_chain",
        "session_state",
        "session_transport",
        "session_since",
        "last_heard_at",
        "connection",
        "settings_in_use",
    )

    @admin.display(description="Session detail")
    def connection(self, subscription: Subscription) -> str:
        """The server's address, or why there is no connection."""
        return no_session_because(subscription.session_fault, subscription.session_detail)

    @admin.display(description="Settings in use")
    def settings_in_use(self, subscription: Subscription) -> str:
        """Whether the current connection uses the saved settings."""
        if subscription.session_state != SessionState.UP:
            return "There is no connection."
        try:
            change = subscription.pending_change
        except UnreadableValueError:
            return "Unknown: what is saved about it cannot be read."
        return still_connected(change, timezone.now()) if change else "The saved settings."

    def get_readonly_fields(
        self, request: HttpRequest, obj: Subscription | None = None
    ) -> tuple[str, ...]:
        return ("organization", "provider", *self.readonly_fields) if obj else ()

    def save_model(
        self,
        request: HttpRequest,
        obj: Subscription,
        form: SubscriptionForm,
        change: bool,  # noqa: FBT001 — Django's signature
    ) -> None:
        identity, actor = form.identity(), person_of(request)
        if not change and identity is not None:
            created = services.subscribe(
                organization=obj.organization,
                provider=obj.provider,
                identity=identity,
                priority=obj.priority,
                enabled=obj.enabled,
                actor=actor,
            )
            services.limit(subscription=created, prefixes=obj.limited_to, actor=actor)
            obj.pk = created.pk
            return
        services.set_order(
            subscription=obj, priority=obj.priority, enabled=obj.enabled, actor=actor
        )
        services.limit(subscription=obj, prefixes=obj.limited_to, actor=actor)
        if identity is not None:
            services.replace_certificate(subscription=obj, identity=identity, actor=actor)
