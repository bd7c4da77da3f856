"""`organizations/{slug}/standby-plans` and `…/drills`: plans, and drills that test the
providers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from portal.api.authentication import actor_of, membership_of
from portal.api.fields import (
    ApiSerializer,
    Identifier,
    Protocol,
    Several,
    StrictSerializer,
    Text,
    WholeNumber,
    YesNo,
)
from portal.api.pagination import ByName, NewestDrillFirst, page_of
from portal.api.replacement import WOULD_REPLACE, Consenting
from portal.api.request_shown import RequestShown
from portal.api.requests import NewPorts, NewTargets, port_ranges
from portal.api.schema import CURSOR, IDEMPOTENCY_KEY, LIMIT, idempotency_key, page_schema
from portal.mitigations.states import Status
from portal.mitigations.validation import (
    MAX_PORT_RANGES,
    MAX_PROTOCOLS,
    MAX_REASON_LENGTH,
    MAX_TARGETS,
    Submission,
)
from portal.organizations.acting import name_at
from portal.organizations.models import Organization, Role
from portal.standby import queries, services
from portal.standby.access import plan_for
from portal.standby.models import (
    MAX_NAME_LENGTH,
    Drill,
    DrillCheck,
    DrillMethod,
    Failure,
    StandbyPlan,
)
from portal.wording.from_rows.drills import refused_because


class PlanFields(StrictSerializer):
    """What a plan asks for. A change contains only the fields that change."""

    name = Text(max_length=MAX_NAME_LENGTH, allow_blank=True, required=False)
    targets = NewTargets(required=False)
    ports = Several(child=NewPorts(), limit=MAX_PORT_RANGES, required=False)
    protocols = Several(child=Protocol(), limit=MAX_PROTOCOLS, required=False)
    lifetime = WholeNumber(
        at_least=-1,
        required=False,
        help_text="Seconds; -1: until turned off. Default: the longest allowed.",
    )
    subscriptions = Several(child=Identifier(), limit=MAX_TARGETS, required=False)
    reason = Text(max_length=MAX_REASON_LENGTH, allow_blank=True, required=False)

    def submission(self, base: Submission) -> Submission:
        """`base` with the given fields replaced."""
        data = self.validated_data
        changes: dict[str, Any] = {}
        if "targets" in data:
            kinds = ("prefixes", "fqdns", "uris", "resources")
            changes = {kind: tuple(data["targets"].get(kind, ())) for kind in kinds}
        if "ports" in data:
            changes["ports"] = port_ranges(data["ports"])
        for name in ("protocols", "subscriptions"):
            if name in data:
                changes[name] = tuple(data[name])
        if "lifetime" in data:
            changes["lifetime_s"] = data["lifetime"]
        if "reason" in data:
            changes["reason"] = data["reason"]
        return replace(base, **changes)

    @property
    def has_content(self) -> bool:
        return bool(self.validated_data.keys() - {"name", "on"})


class NewPlan(PlanFields):
    name = Text(max_length=MAX_NAME_LENGTH)
    targets = NewTargets()


class PlanChange(PlanFields):
    on = YesNo(required=False, help_text="Whether the portal asks providers to hold it.")


class Activation(Consenting):
    pass


class HolderShown(ApiSerializer[Any]):
    subscription = serializers.UUIDField(source="subscription.pk")
    provider = serializers.CharField(source="subscription.provider.name")
    mitigation = serializers.UUIDField(source="mitigation.pk")
    status = serializers.ChoiceField(choices=Status.choices, source="mitigation.status")
    held = serializers.BooleanField(
        source="is_held", help_text="Its last report said that it holds the plan in standby."
    )
    stopping = serializers.BooleanField(
        source="is_stopping",
        help_text="It was told to stop filtering and will then be asked to hold the plan again.",
    )
    reported_at = serializers.DateTimeField(allow_null=True)


class PlanShown(ApiSerializer[StandbyPlan]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    on = serializers.BooleanField(source="is_on")
    request = RequestShown()
    holders = serializers.SerializerMethodField()
    activation = serializers.UUIDField(
        source="activation_id",
        allow_null=True,
        help_text="The last mitigation request that was made from it.",
    )
    created_at = serializers.DateTimeField()
    created_by = serializers.SerializerMethodField()

    def get_created_by(self, plan: StandbyPlan) -> str:
        return name_at(plan.created_by, plan.organization_id, plan.created_at)

    @extend_schema_field(HolderShown(many=True))
    def get_holders(self, plan: StandbyPlan) -> Any:
        return HolderShown(queries.holders(plan), many=True).data


class DrillCheckShown(ApiSerializer[DrillCheck]):
    subscription = serializers.UUIDField(source="subscription_id")
    provider = serializers.CharField(source="subscription.provider.name")
    way = serializers.ChoiceField(choices=DrillMethod.choices)
    sent_at = serializers.DateTimeField(allow_null=True)
    confirmed_at = serializers.DateTimeField(allow_null=True)
    withdrawn_at = serializers.DateTimeField(allow_null=True)
    told_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    failure = serializers.ChoiceField(choices=Failure.choices, allow_blank=True)
    code = serializers.CharField(
        source="refusal_code", help_text="For refused: the response code, or a code of the portal."
    )
    reason = serializers.SerializerMethodField(help_text="For refused: the reason, for people.")

    def get_reason(self, check: DrillCheck) -> str:
        return refused_because(check)


class DrillShown(ApiSerializer[Drill]):
    id = serializers.UUIDField()
    started_at = serializers.DateTimeField()
    started_by = serializers.SerializerMethodField()
    ended_at = serializers.DateTimeField(allow_null=True)
    passed = serializers.BooleanField(source="has_passed")
    checks = DrillCheckShown(many=True)

    def get_started_by(self, drill: Drill) -> str:
        return name_at(drill.started_by, drill.organization_id, drill.started_at)


def _shown(organization: Organization, plan_id: UUID, *, status: int, **headers: str) -> Response:
    """As committed, with everything that the answer shows."""
    plan = queries.plans(organization).get(pk=plan_id)
    return Response(PlanShown(plan).data, status=status, headers=headers)


class PlansView(APIView):
    @extend_schema(
        operation_id="list_standby_plans",
        responses=page_schema(PlanShown),
        parameters=[CURSOR, LIMIT],
    )
    def get(self, request: Request, slug: str) -> Response:
        """All standby plans by name, and the providers that hold them."""
        membership = membership_of(request, slug)
        found = queries.plans(membership.organization)
        return page_of(found, PlanShown, ByName(), request, self)

    @extend_schema(
        operation_id="prepare_standby_plan",
        request=NewPlan,
        responses={201: PlanShown},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Create a plan and turn it on: the portal asks the chosen providers to hold it."""
        membership = membership_of(request, slug, Role.OPERATOR)
        form = NewPlan.of(request)
        plan = services.create_plan(
            organization=membership.organization,
            actor=actor_of(request),
            name=form.validated_data["name"],
            submission=form.submission(Submission()),
            key=idempotency_key(request),
        )
        location = reverse("api:standby-plan", args=[slug, plan.pk])
        return _shown(membership.organization, plan.pk, status=201, Location=location)


class PlanView(APIView):
    @extend_schema(operation_id="get_standby_plan", responses=PlanShown)
    def get(self, request: Request, slug: str, plan_id: UUID) -> Response:
        """One plan, and the providers that hold it."""
        membership = membership_of(request, slug)
        plan = plan_for(membership, plan_id)
        return _shown(membership.organization, plan.pk, status=200)

    @extend_schema(
        operation_id="change_standby_plan", request=PlanChange, responses={202: PlanShown}
    )
    def patch(self, request: Request, slug: str, plan_id: UUID) -> Response:
        """Change the given fields.

        New content goes to the providers as a new request; the old one ends once they hold the
        new one.
        """
        membership = membership_of(request, slug, Role.OPERATOR)
        plan = plan_for(membership, plan_id)
        form = PlanChange.of(request)
        services.edit_plan(
            plan_id=plan.pk,
            actor=actor_of(request),
            name=form.validated_data.get("name"),
            submission=form.submission(services.submission_of(plan)) if form.has_content else None,
            is_on=form.validated_data.get("on"),
        )
        return _shown(membership.organization, plan.pk, status=202)

    @extend_schema(operation_id="remove_standby_plan", request=None, responses={204: None})
    def delete(self, request: Request, slug: str, plan_id: UUID) -> Response:
        """Turn the plan off and delete it."""
        membership = membership_of(request, slug, Role.OPERATOR)
        plan = plan_for(membership, plan_id)
        services.remove_plan(plan_id=plan.pk, actor=actor_of(request))
        return Response(status=204)


class ActivateView(APIView):
    @extend_schema(
        operation_id="activate_standby_plan",
        request=Activation,
        responses={202: RequestShown, 409: WOULD_REPLACE},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, slug: str, plan_id: UUID) -> Response:
        """Ask the plan's providers to filter now. Returns the mitigation request; providers keep
        holding the plan.

        If it overlaps other live requests, the call returns 409 `would-replace` unless `replaces`
        lists them. The body may be empty.
        """
        membership = membership_of(request, slug, Role.OPERATOR)
        plan = plan_for(membership, plan_id)
        form = Activation.of(request)
        mitigation_request = services.activate(
            plan_id=plan.pk,
            actor=actor_of(request),
            key=idempotency_key(request),
            consent=form.consent(),
        )
        location = reverse("api:request", args=[slug, mitigation_request.pk])
        return Response(
            RequestShown(mitigation_request).data, status=202, headers={"Location": location}
        )


class StopView(APIView):
    # Ending a mitigation must work whatever other calls the client makes.
    throttle_classes: list[type[BaseThrottle]] = []

    @extend_schema(operation_id="stop_filtering", request=None, responses={202: PlanShown})
    def post(self, request: Request, slug: str, plan_id: UUID) -> Response:
        """Stop filtering for the plan, no matter who activated it, but keep the plan: the
        providers that filter will hold it again.

        Repeating the call is harmless; it is never throttled. 409 if the plan is off.
        """
        membership = membership_of(request, slug, Role.OPERATOR)
        plan = plan_for(membership, plan_id)
        services.stop_filtering(plan_id=plan.pk, actor=actor_of(request))
        return _shown(membership.organization, plan.pk, status=202)


class DrillsView(APIView):
    @extend_schema(
        operation_id="list_drills", responses=page_schema(DrillShown), parameters=[CURSOR, LIMIT]
    )
    def get(self, request: Request, slug: str) -> Response:
        """Newest first, with what each provider did and when."""
        membership = membership_of(request, slug)
        found = queries.drills(membership.organization)
        return page_of(found, DrillShown, NewestDrillFirst(), request, self)

    @extend_schema(operation_id="start_drill", request=None, responses={202: DrillShown})
    def post(self, request: Request, slug: str) -> Response:
        """Test every provider. One drill at a time: 409 while one is running."""
        membership = membership_of(request, slug, Role.OPERATOR)
        started = services.start_drill(
            organization=membership.organization, actor=actor_of(request)
        )
        drill = queries.drills(membership.organization).get(pk=started.pk)
        return Response(DrillShown(drill).data, status=202)
