"""`organizations/{slug}/policy`: limits, and which requests a second person approves."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.authentication import actor_of, membership_of
from portal.api.fields import ApiSerializer, Choice, StrictSerializer, WholeNumber, YesNo
from portal.api.members import admin_of
from portal.organizations.models import Approval, LateAcceptance
from portal.organizations.policy import RANGES, PolicyValues, change_policy


class PolicyShown(ApiSerializer[Any]):
    default_lifetime = serializers.IntegerField(
        source="default_lifetime_s", help_text="Seconds; offered for a new request."
    )
    max_lifetime = serializers.IntegerField(source="max_lifetime_s", help_text="Seconds.")
    may_be_indefinite = serializers.BooleanField(
        help_text="Whether requests may run until a person terminates them."
    )
    shortest_prefix_v4 = serializers.IntegerField(
        allow_null=True, help_text="The length of the largest IPv4 prefix; null: no limit."
    )
    shortest_prefix_v6 = serializers.IntegerField(allow_null=True)
    patience = serializers.IntegerField(
        source="patience_s",
        help_text="Seconds that a provider may be silent before the next one is asked.",
    )
    late_acceptance = serializers.ChoiceField(choices=LateAcceptance.choices)
    max_live_requests = serializers.IntegerField(help_text="Only the portal's staff change it.")
    max_live_requests_per_person = serializers.IntegerField()
    approval = serializers.ChoiceField(
        choices=Approval.choices, help_text="Which requests wait until a second person approves."
    )
    approval_prefix_v4 = serializers.IntegerField(
        help_text="For `larger`: IPv4 prefixes larger than this length need approval."
    )
    approval_prefix_v6 = serializers.IntegerField()
    approval_wait = serializers.IntegerField(
        source="approval_wait_s", help_text="Seconds until a request that waits expires, unsent."
    )
    names_in_notices = serializers.BooleanField(
        help_text="Whether titles of notices name targets; a title is shown on locked screens."
    )


def _number(name: str, **options: Any) -> WholeNumber:
    least, most = RANGES[name]
    return WholeNumber(at_least=least, at_most=most, **options)


class NewPolicy(StrictSerializer):
    default_lifetime = _number("default_lifetime_s", source="default_lifetime_s")
    max_lifetime = _number("max_lifetime_s", source="max_lifetime_s")
    may_be_indefinite = YesNo()
    shortest_prefix_v4 = _number("shortest_prefix_v4", allow_null=True)
    shortest_prefix_v6 = _number("shortest_prefix_v6", allow_null=True)
    patience = _number("patience_s", source="patience_s")
    late_acceptance = Choice(LateAcceptance.values)
    max_live_requests = _number("max_live_requests")
    max_live_requests_per_person = _number("max_live_requests_per_person")
    approval = Choice(Approval.values)
    approval_prefix_v4 = _number("approval_prefix_v4")
    approval_prefix_v6 = _number("approval_prefix_v6")
    approval_wait = _number("approval_wait_s", source="approval_wait_s")
    names_in_notices = YesNo(required=False, help_text="Missing: it stays as it is.")


class PolicyView(APIView):
    @extend_schema(operation_id="get_policy", responses=PolicyShown)
    def get(self, request: Request, slug: str) -> Response:
        """What the organization allows. Every member may read it."""
        membership = membership_of(request, slug)
        return Response(PolicyShown(PolicyValues.of(membership.organization)).data)

    @extend_schema(operation_id="change_policy", request=NewPolicy, responses=PolicyShown)
    def put(self, request: Request, slug: str) -> Response:
        """Replace the policy. It applies to every later call. Requests that already wait for
        approval keep waiting. Needs the role admin and a fresh second factor.
        """
        membership = admin_of(request, slug)
        form = NewPolicy.of(request)
        kept = {"names_in_notices": membership.organization.names_in_notices}
        changed = change_policy(
            organization_id=membership.organization_id,
            actor=actor_of(request),
            values=PolicyValues(**kept | form.validated_data),
        )
        return Response(PolicyShown(PolicyValues.of(changed)).data)
