from __future__ import annotations

from typing import Any, ClassVar

from django import forms

from portal.core.errors import PortalError
from portal.organizations.models import Organization, ProtectedResource, ResourceKind
from portal.organizations.services import check_resource


class NewResourceForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """A resource that staff add for an organization, with the same checks as in the API and errors
    at the same fields.
    """

    kind = forms.ChoiceField(
        choices=[
            (ResourceKind.PREFIX, "Prefix (addresses)"),
            (ResourceKind.FQDN, "FQDN (a name)"),
            (ResourceKind.URI, "URI"),
        ]
    )

    class Meta:
        model = ProtectedResource
        fields: ClassVar = ("organization", "name", "kind", "value")
        help_texts: ClassVar = {
            "name": "The organization's own name for it, for example Shop front-end.",
            "value": "For example 203.0.113.0/26, 2001:db8:10::/48 or shop.example.",
        }

    def clean(self) -> dict[str, Any]:
        entered = super().clean() or self.cleaned_data
        if {"organization", "name", "kind", "value"} <= entered.keys():
            entered["value"] = self._normal(**entered)
        return entered

    def _normal(self, *, organization: Organization, name: str, kind: str, value: str) -> str:
        try:
            return check_resource(
                organization=organization, name=name, kind=ResourceKind(kind), value=value
            )
        except PortalError as refusal:
            for error in refusal.errors:
                self.add_error(error.field, error.message)
            if not refusal.errors:
                self.add_error(None, refusal.message)
            return value
