"""The list of providers, and the form of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from django.db.models import Count, Q
from django.forms import CheckboxInput, CheckboxSelectMultiple
from django.urls import reverse
from django.utils.safestring import SafeString

from portal.providers.forms import ProviderForm
from portal.providers.models import Provider
from portal.web.rendering import Page

GROUPS: Final = {
    "The provider": ("name", "short_name", "phone"),
    "Where it answers": (
        "host",
        "port",
        "server_name",
        "trust_anchors",
        "transports",
        "requires_alpn",
        "path_kind",
        "path_name",
    ),
    "What it accepts": (
        "max_lifetime_s",
        "may_be_indefinite",
        "max_targets",
        "max_port_ranges",
        "longest_prefix_v4",
        "longest_prefix_v6",
        "takes_names",
    ),
    "Its routes": ("as_number",),
}
"""Every field of the form, by the heading above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownProvider:
    """One provider of the list."""

    name: str
    url: str
    address: str
    customers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownProvidersPage(Page):
    """The list."""

    template: ClassVar = "staff/providers.html"

    providers: Sequence[KnownProvider]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of the form."""

    id: str
    label: str
    hint: str
    errors: Sequence[str]
    widget: SafeString
    is_box: bool
    "a single checkbox, whose label is beside it"
    is_group: bool
    "several checkboxes"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldGroup:
    """Fields under one heading."""

    name: str
    fields: Sequence[Field]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownProviderPage(Page):
    """The form of a new provider, or of one that the portal knows."""

    template: ClassVar = "staff/provider.html"

    heading: str
    groups: Sequence[FieldGroup]
    has_errors: bool
    errors: Sequence[str]
    "of no single field"


def known_providers_page() -> KnownProvidersPage:
    uses = Count("subscriptions", filter=~Q(subscriptions__certificate_chain=""))
    return KnownProvidersPage(
        providers=[
            KnownProvider(
                name=one.name,
                url=reverse("staff-providers:provider", args=[one.pk]),
                address=f"{one.host}:{one.port}",
                customers=one.customers,
            )
            for one in Provider.objects.annotate(customers=uses).order_by("name")
        ]
    )


def known_provider_page(form: ProviderForm) -> KnownProviderPage:
    is_new = form.instance._state.adding
    return KnownProviderPage(
        heading="New provider" if is_new else form.instance.name,
        groups=[
            FieldGroup(name=heading, fields=[_field(form, name) for name in names])
            for heading, names in GROUPS.items()
        ],
        has_errors=bool(form.errors),
        errors=[str(one) for one in form.non_field_errors()],
    )


def _field(form: ProviderForm, name: str) -> Field:
    bound = form[name]
    widget = bound.field.widget
    hint_id, error_id = f"{bound.id_for_label or name}-h", f"{bound.id_for_label or name}-e"
    described = " ".join(
        [*([error_id] if bound.errors else []), *([hint_id] if bound.help_text else [])]
    )
    attrs: dict[str, str | bool] = {"aria-describedby": described} if described else {}
    return Field(
        id=bound.id_for_label or name,
        label=str(bound.label),
        hint=str(bound.help_text),
        errors=[str(one) for one in bound.errors],
        widget=bound.as_widget(attrs=attrs),
        is_box=isinstance(widget, CheckboxInput),
        is_group=isinstance(widget, CheckboxSelectMultiple),
    )
