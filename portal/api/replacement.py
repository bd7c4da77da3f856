"""`replaces`: the live requests and unknown mitigations that a call would end, and those it may
end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypedDict

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from portal.api.fields import ApiSerializer, Identifier, Several, StrictSerializer
from portal.mitigations.consent import Consent, ReplacedBody, WouldReplace, replaced_body
from portal.mitigations.replacement import Replaced
from portal.mitigations.states import RequestStatus, Status

MAX_REPLACED: Final = 100
"""Live requests that one call may name."""


class Consenting(StrictSerializer):
    """A body that may list what it replaces."""

    replaces = Several(
        child=Identifier(),
        limit=MAX_REPLACED,
        required=False,
        help_text="Ids of the live requests and "
        "unknown mitigations that this "
        "request may "
        "replace, as "
        "listed by 409 `would-replace`.",
    )

    def consent(self) -> Consent:
        return Consent(named=tuple(self.validated_data.get("replaces", ())), is_exact=True)


class ReplacedShown(ApiSerializer[Any]):
    request = serializers.UUIDField(
        allow_null=True, help_text="The live request; null: no request here asked for it."
    )
    unknown_mitigation = serializers.UUIDField(
        allow_null=True, help_text="The unknown mitigation; null: it is a live request."
    )
    name = serializers.CharField(
        help_text="The request’s name, or the unknown mitigation’s targets."
    )
    status = serializers.ChoiceField(
        choices=sorted({*RequestStatus.values, *Status.values}),
        allow_null=True,
        help_text=(
            "The request’s status, or the one the provider reports for the unknown "
            "mitigation; null: none reported."
        ),
    )
    providers = serializers.ListField(
        child=serializers.CharField(), help_text="Short names of the providers that would drop it."
    )
    loses = serializers.ListField(
        child=serializers.CharField(),
        help_text="What those providers would no longer protect; empty: nothing.",
    )
    protects_all = serializers.BooleanField(
        help_text="It already protects everything this one asks for: open or extend it instead."
    )


WOULD_REPLACE: Final = OpenApiResponse(
    description="`would-replace`: the request would replace live "
    "requests or unknown mitigations "
    "that are not "
    "listed in "
    "replaces; nothing was sent. "
    "`quota-organization`, `quota-person`, `quota-actor`, `quota-ending`, "
    "`quota-ending-mitigations`: too many requests are live or still ending; nothing was sent. "
    "Other conflicts have their own code."
)


class ReplacementsBody(TypedDict):
    """The part of a preview about replacements."""

    replaces: list[ReplacedBody]
    would_replace: bool


def replacements(replaced: Sequence[Replaced], consent: Consent) -> ReplacementsBody:
    """What the call that is previewed would replace, and whether it would be refused for that.

    Raises Invalid for invalid names in `replaces`, like the call itself.
    """
    try:
        consent.check(replaced)
    except WouldReplace:
        would_replace = True
    else:
        would_replace = False
    return ReplacementsBody(
        replaces=[replaced_body(one) for one in replaced], would_replace=would_replace
    )
