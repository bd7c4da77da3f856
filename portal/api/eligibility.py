"""`mitigation-requests/eligibility`: which provider would be asked for which target.

Nothing is saved or sent.
"""

from __future__ import annotations

from typing import Any, TypedDict
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.authentication import actor_of, membership_of
from portal.api.fields import ApiSerializer
from portal.api.quota import QuotaBody, QuotaShown, quota
from portal.api.replacement import ReplacedShown, ReplacementsBody, replacements
from portal.api.requests import NewRequest
from portal.api.routes import HELP, RoutesBody, RoutesShown, routes
from portal.mitigations import queries
from portal.mitigations.replacement import Proposal, would_replace
from portal.mitigations.validation import AssignedScope, assign_scopes, check
from portal.organizations.models import Role


class EligibleShown(ApiSerializer[Any]):
    subscription = serializers.UUIDField()
    provider = serializers.CharField()


class TargetShown(ApiSerializer[Any]):
    target = serializers.CharField()
    providers = EligibleShown(many=True, help_text="In the order the portal asks them.")


class LeftOutShown(ApiSerializer[Any]):
    subscription = serializers.UUIDField()
    provider = serializers.CharField()
    reason = serializers.CharField()


class EligibilityShown(ApiSerializer[Any]):
    targets = TargetShown(many=True)
    left_out = LeftOutShown(many=True, help_text="Providers that may protect none of this request.")
    routes = RoutesShown(many=True, help_text=HELP)
    replaces = ReplacedShown(many=True, help_text="What submitting this body would replace.")
    would_replace = serializers.BooleanField(
        help_text="Submitting exactly this body returns 409 `would-replace`."
    )
    quota = QuotaShown(
        allow_null=True,
        help_text="The limit that submitting this body would exceed now; null: there is room.",
    )


class EligibilityView(APIView):
    @extend_schema(operation_id="check_eligibility", request=NewRequest, responses=EligibilityShown)
    def post(self, request: Request, slug: str) -> Response:
        """Which provider the portal would ask for each target. Nothing is saved or sent."""
        organization = membership_of(request, slug, Role.OPERATOR).organization
        form = NewRequest.of(request)
        submission, eligible_providers = form.submission(), queries.eligible_providers(organization)
        checked = check(
            submission,
            resources=queries.verified_resources(organization),
            eligible_providers=eligible_providers,
            policy=queries.policy(organization),
        )
        assigned_scopes = assign_scopes(submission, checked.scope, eligible_providers)
        replaced = would_replace(Proposal.of(checked), queries.replaceable(organization.pk))
        body = EligibilityBody(
            targets=[
                TargetBody(target=target, providers=_able(assigned_scopes, target))
                for target in checked.scope.texts
            ],
            left_out=[left_out(one) for one in assigned_scopes if not one.is_able],
            routes=routes(organization, [one for one in assigned_scopes if one.is_able]),
            **replacements(replaced, form.consent()),
            quota=quota(organization, actor_of(request), replaced),
        )
        return Response(EligibilityShown(body).data)


class EligibleBody(TypedDict):
    """A provider that the portal would ask."""

    subscription: UUID
    provider: str


class TargetBody(TypedDict):
    """The providers asked for one target."""

    target: str
    providers: list[EligibleBody]


class LeftOutBody(EligibleBody):
    """A provider that is not asked, and why."""

    reason: str


class EligibilityBody(ReplacementsBody):
    """The provider of each target."""

    targets: list[TargetBody]
    left_out: list[LeftOutBody]
    routes: list[RoutesBody]
    quota: QuotaBody | None


def left_out(assigned: AssignedScope) -> LeftOutBody:
    return LeftOutBody(**_provider(assigned), reason=assigned.why_not())


def _able(assigned_scopes: list[AssignedScope], target: str) -> list[EligibleBody]:
    return [_provider(assigned) for assigned in assigned_scopes if target in assigned.targets]


def _provider(assigned: AssignedScope) -> EligibleBody:
    return EligibleBody(
        subscription=assigned.provider.subscription, provider=assigned.provider.name
    )
