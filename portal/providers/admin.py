from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from portal.core.admin import site
from portal.core.errors import Invalid, PortalError
from portal.providers import services
from portal.providers.models import (
    MAX_PREFIX_V4,
    MAX_PREFIX_V6,
    PathKind,
    Provider,
    Subscription,
    Transport,
)


class ProviderForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """Transports as boxes to tick, not as JSON."""

    transports = forms.MultipleChoiceField(
        choices=Transport.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = Provider
        fields = "__all__"  # noqa: DJ007 — staff see every field of a provider; none is secret

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        for field, longest in (
            ("longest_prefix_v4", MAX_PREFIX_V4),
            ("longest_prefix_v6", MAX_PREFIX_V6),
        ):
            if (cleaned.get(field) or 0) > longest:
                self.add_error(field, f"A prefix is at most /{longest} long. Write 0 to {longest}.")
        is_direct = cleaned.get("path_kind") == PathKind.DIRECT
        if is_direct and cleaned.get("path_name"):
            self.add_error("path_name", "Nobody stands between: leave the name empty.")
        if not is_direct and not cleaned.get("path_name"):
            self.add_error("path_name", "Give the gateway or relay the name people know it by.")
        return cleaned


@admin.register(Provider, site=site)
class ProviderAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs alone
    """Who mitigates upstream."""

    form = ProviderForm
    list_display = ("name", "phone", "host", "port", "server_name")
    search_fields = ("name",)


class SubscriptionForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """Keys go in and never come out."""

    limited_to = forms.CharField(
        label="May protect only",
        help_text="One prefix per line, such as those it assigned itself. "
        "Empty: whatever the organization may. What runs already stays.",
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
        self.initial["limited_to"] = "\n".join(self.instance.limited_to)

    def clean_limited_to(self) -> list[str]:
        try:
            return services.normal_limits(self.cleaned_data["limited_to"].split())
        except Invalid as error:
            raise forms.ValidationError([one.message for one in error.errors]) from error

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        given = [cleaned.get("new_certificate_chain"), cleaned.get("new_private_key")]
        if any(given) != all(given):
            raise forms.ValidationError("Give the certificate together with its key.")
        if self.instance._state.adding and not all(given):
            raise forms.ValidationError("A new subscription needs a certificate and its key.")
        identity = self.identity()
        if identity is not None:
            try:
                services.check_identity(identity)
            except PortalError as error:
                raise forms.ValidationError(error.message) from error
        return cleaned

    def identity(self) -> services.Identity | None:
        if not self.cleaned_data.get("new_private_key"):
            return None
        return services.Identity(
            certificate_chain=self.cleaned_data["new_certificate_chain"].encode(),
            private_key=self.cleaned_data["new_private_key"].encode(),
        )


@admin.register(Subscription, site=site)
class SubscriptionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs alone
    """Who may ask whom."""

    form = SubscriptionForm
    list_display = ("organization", "provider", "priority", "enabled", "session_state")
    list_filter = ("organization", "provider", "session_state")
    list_select_related = ("organization", "provider")
    readonly_fields = (
        "cuid",
        "certificate_chain",
        "session_state",
        "session_transport",
        "session_since",
        "last_heard_at",
        "session_detail",
    )

    def get_readonly_fields(
        self, request: HttpRequest, obj: Subscription | None = None
    ) -> tuple[str, ...]:
        return ("organization", "provider", *self.readonly_fields) if obj else self.readonly_fields

    def save_model(
        self,
        request: HttpRequest,
        obj: Subscription,
        form: SubscriptionForm,
        change: bool,  # noqa: FBT001 — Django's signature
    ) -> None:
        identity = form.identity()
        if not change and identity is not None:
            created = services.subscribe(
                organization=obj.organization,
                provider=obj.provider,
                identity=identity,
                priority=obj.priority,
            )
            services.limit(subscription=created, prefixes=obj.limited_to)
            obj.pk = created.pk
            return
        services.set_order(subscription=obj, priority=obj.priority, enabled=obj.enabled)
        services.limit(subscription=obj, prefixes=obj.limited_to)
        if identity is not None:
            services.replace_certificate(subscription=obj, identity=identity)
