"""What portal staff enter about a provider: one form for the pages and for the emergency site."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils import timezone

from portal.core.errors import Invalid
from portal.providers.models import Provider, Transport, default_transports
from portal.providers.validation import checked_host, checked_trust_anchors, limit_problems


class ProviderForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """Shows transports as checkboxes instead of JSON."""

    transports = forms.MultipleChoiceField(
        choices=[(Transport.DTLS, "DTLS over UDP"), (Transport.TLS, "TLS over TCP")],
        widget=forms.CheckboxSelectMultiple,
        initial=default_transports,
    )

    class Meta:
        model = Provider
        fields = "__all__"  # noqa: DJ007 — staff see every field of a provider; none is secret
        labels: ClassVar = {
            "requires_alpn": "Over TLS its server must select “coap” (ALPN)",
            "trust_anchors": "Trust anchors (PEM)",
            "max_lifetime_s": "Longest lifetime, in seconds",
            "max_targets": "Maximum targets",
            "may_be_indefinite": "Lifetime may be unlimited",
            "max_port_ranges": "Maximum port ranges",
            "longest_prefix_v4": "Longest prefix, IPv4",
            "longest_prefix_v6": "Longest prefix, IPv6",
            "as_number": "AS number",
            "takes_names": "Accepts names and URIs, not only addresses",
        }
        help_texts: ClassVar = {
            "short_name": "Shown in tables.",
            "phone": "The number of its operations desk, for when the network fails.",
            "server_name": "The name in its certificate.",
            "max_lifetime_s": "Empty: not known.",
            "max_targets": "Per request. Empty: not known.",
            "max_port_ranges": "Per request. 0: all ports or none. Empty: not known.",
            "longest_prefix_v4": "24: nothing smaller than a /24. Empty: not known.",
            "longest_prefix_v6": "Empty: not known.",
            "path_name": (
                "The name people use for the gateway or relay. Empty for the provider itself."
            ),
        }

    def clean_host(self) -> str:
        return self._host("host")

    def clean_server_name(self) -> str:
        return self._host("server_name")

    def _host(self, field: str) -> str:
        text: str = self.cleaned_data[field]
        if not self._is_new(field):
            return text
        try:
            return checked_host(text)
        except Invalid as error:
            raise forms.ValidationError(error.message) from error

    def clean_trust_anchors(self) -> str:
        text: str = self.cleaned_data["trust_anchors"]
        if not self._is_new("trust_anchors"):
            return text
        try:
            return checked_trust_anchors(text, now=timezone.now())
        except Invalid as error:
            raise forms.ValidationError(error.message) from error

    def _is_new(self, field: str) -> bool:
        """Old values that were never checked must not block changes to other fields."""
        return self.instance._state.adding or field in self.changed_data

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        for problem in limit_problems(cleaned):
            self.add_error(problem.field, problem.message)
        return cleaned
