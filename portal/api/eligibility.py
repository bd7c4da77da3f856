"""`mitigation-requests/eligibility`: who would be asked for what. Nothing is kept, nothing is sent."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.authentication import caller
from portal.api.replacing import ReplacedShown, event_facts
from portal.api.requests import NewRequest
from portal.mitigations import queries
from portal.mitigations.models import every_target
from portal.mitigations.replacing import Proposal, would_replace
from portal.mitigations.validation import Part, check, parts_for
from portal.organizations.access import membership_for
from portal.organizations.models import Role


class EligibleShown(serializers.Serializer[Any]):
    subscription = serializers.UUIDField()
    provider = serializers.CharField()


class TargetShown(serializers.Serializer[Any]):
    target = serializers.CharField()
    providers = EligibleShown(many=True, help_text="In the order in which they are asked.")


class LeftOutShown(serializers.Serializer[Any]):
    subscription = serializers.UUIDField()
    provider = serializers.CharField()
    reason = serializers.CharField()


class EligibilityShown(serializers.Serializer[Any]):
    targets = TargetShown(many=True)
    left_out = LeftOutShown(many=True, help_text="Who may protect nothing of this request.")
    replaces = ReplacedShown(many=True, help_text="What submitting this body would replace.")
    would_replace = serializers.BooleanField(
        help_text="Submitting exactly this body answers 409 would-replace."
    )


class EligibilityView(APIView):
    @extend_schema(operation_id="check_eligibility", request=NewRequest, responses=EligibilityShown)
    def post(self, request: Request, slug: str) -> Response:
        """Which provider would be asked for each target of this request. Nothing is kept or sent."""
        organization = membership_for(caller(request), slug, Role.OPERATOR).organization
        form = NewRequest(data=request.data)
        form.is_valid(raise_exception=True)
        submission, asks = form.submission(), queries.asks(organization)
        checked = check(
            submission,
            resources=queries.verified_resources(organization),
            asks=asks,
            policy=queries.policy(organization),
        )
        parts = parts_for(submission, checked.scope, asks)
        replaced = would_replace(Proposal.of(checked), queries.replaceable(organization.pk))
        return Response(
            EligibilityShown(
                {
                    "targets": [
                        {"target": target, "providers": _able(parts, target)}
                        for target in every_target(checked.scope)
                    ],
                    "left_out": [
                        {**_provider(part), "reason": part.why_not()}
                        for part in parts
                        if not part.is_able
                    ],
                    **event_facts(replaced, form.consent()),
                }
            ).data
        )


def _able(parts: list[Part], target: str) -> list[dict[str, Any]]:
    return [_provider(part) for part in parts if target in part.targets]


def _provider(part: Part) -> dict[str, Any]:
    return {"subscription": part.ask.subscription, "provider": part.ask.provider}
