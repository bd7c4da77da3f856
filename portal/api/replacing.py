"""`replaces`: the live requests that a call would end at their providers, and those that the caller lets it end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from portal.api.fields import Identifier, Several, StrictSerializer
from portal.mitigations.replacing import Consent, Replaced, WouldReplace, replaced_members
from portal.mitigations.states import RequestStatus

MAX_REPLACED: Final = 100
"""Live requests that one call may name."""


class Consenting(StrictSerializer):
    """A body that may name the live requests it replaces."""

    replaces = Several(
        child=Identifier(),
        limit=MAX_REPLACED,
        required=False,
        help_text="Live requests that this one may replace, as the answer 409 would-replace lists them.",
    )

    def consent(self) -> Consent:
        return Consent(named=tuple(self.validated_data.get("replaces", ())), is_exact=True)


class ReplacedShown(serializers.Serializer[Any]):
    request = serializers.UUIDField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=RequestStatus.choices)
    providers = serializers.ListField(
        child=serializers.CharField(), help_text="Short names of those that would drop it."
    )
    loses = serializers.ListField(
        child=serializers.CharField(),
        help_text="What those providers would no longer protect; empty: nothing.",
    )
    protects_all = serializers.BooleanField(
        help_text="It already protects everything this one asks for: open or extend it instead."
    )


WOULD_REPLACE: Final = OpenApiResponse(
    description="would-replace: the request would replace live requests that replaces does not name; nothing was sent. "
    "Or another conflict, by its code."
)


def told_of(replaced: Sequence[Replaced], consent: Consent) -> dict[str, Any]:
    """The part of a preview about replacements. Raises Invalid for wrong names in `replaces`, like the call itself."""
    try:
        consent.check(replaced)
    except WouldReplace:
        would_replace = True
    else:
        would_replace = False
    return {
        "replaces": [replaced_members(one) for one in replaced],
        "would_replace": would_replace,
    }
