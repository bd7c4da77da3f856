"""`claims`: the resources that wait for a decision of the portal's staff, with both sides of each
overlap.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.utils import timezone
from django.utils.http import urlencode
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.accounts.scopes import Scope
from portal.accounts.wording import name_of
from portal.api.authentication import caller, require_fresh_factor
from portal.api.customers import page_number
from portal.api.fields import ApiSerializer, StrictSerializer, Text
from portal.api.resources import ProofShown
from portal.core.addresses import address_of
from portal.core.typed_lines import MAX_REASON_LENGTH
from portal.organizations.models import ProtectedResource, ResourceKind
from portal.ownership import services
from portal.ownership.models import WaitsBecause
from portal.ownership.queries import resource_for_staff, waiting_for_staff
from portal.ownership.sides import Comparison, Side, comparison
from portal.ownership.states import ClaimState
from portal.rpki.validity import Vrp

PAGE_SIZE: Final = 50
DIGEST_LENGTH: Final = 64


class ClaimVerification(StrictSerializer):
    reason = Text(max_length=MAX_REASON_LENGTH, allow_blank=True, required=False)
    """For staff alone; at least 10 characters if something overlaps."""
    overlaps_seen = Text(max_length=DIGEST_LENGTH, allow_blank=True, required=False)
    """As read with the claim."""


class ClaimRefusal(StrictSerializer):
    reason = Text(max_length=MAX_REASON_LENGTH)
    """For the organization; 10 characters at least."""


class OwnerShown(ApiSerializer[Any]):
    slug = serializers.CharField()
    name = serializers.CharField()


class ClaimShown(ApiSerializer[ProtectedResource]):
    id = serializers.UUIDField()
    organization = OwnerShown()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=ResourceKind.choices)
    value = serializers.CharField()
    waits_since = serializers.DateTimeField(source="ownership_claim.waits_since")
    waits_because = serializers.ChoiceField(
        source="ownership_claim.waits_because", choices=WaitsBecause.choices
    )


class ClaimsShown(ApiSerializer[Any]):
    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    results = ClaimShown(many=True)


class PayloadShown(ApiSerializer[Vrp]):
    prefix = serializers.CharField()
    max_length = serializers.IntegerField()
    asn = serializers.IntegerField()


class ClaimSide(ApiSerializer[Side]):
    id = serializers.UUIDField(source="resource.id")
    organization = OwnerShown(source="resource.organization")
    name = serializers.CharField(source="resource.name")
    kind = serializers.ChoiceField(source="resource.kind", choices=ResourceKind.choices)
    value = serializers.CharField(source="resource.value")
    state = serializers.ChoiceField(
        source="claim.state", choices=[(one.value, one.name) for one in ClaimState]
    )
    waits_since = serializers.DateTimeField(source="claim.waits_since", allow_null=True)
    verified_at = serializers.DateTimeField(source="resource.verified_at", allow_null=True)
    verified_by = serializers.SerializerMethodField()
    verification_reason = serializers.CharField(source="resource.verification_reason")
    refused_at = serializers.DateTimeField(source="claim.refused_at", allow_null=True)
    refusal_reason = serializers.CharField(source="claim.refusal_reason")
    last_used_at = serializers.DateTimeField(source="resource.last_used_at", allow_null=True)
    proofs = ProofShown(many=True)
    roas = PayloadShown(
        source="vrps",
        many=True,
        allow_null=True,
        help_text="Who may announce its addresses; null: not known, or it has no addresses.",
    )

    def get_verified_by(self, side: Side) -> str | None:
        """Staff; null: a proof did, or no one yet."""
        return name_of(side.resource.verified_by) or None


class ComparisonShown(ApiSerializer[Comparison]):
    claim = ClaimSide(source="own")
    overlaps = ClaimSide(
        source="others", many=True, help_text="Verified resources of other organizations."
    )
    more_overlaps = serializers.IntegerField(source="more")
    overlaps_seen = serializers.CharField(help_text="To send with the verification.")
    problem = serializers.CharField(help_text="Why it cannot be verified; empty if it can.")


class ClaimsView(APIView):
    @extend_schema(
        operation_id="list_claims",
        parameters=[OpenApiParameter("page", int, description="From 1; 50 resources each.")],
        responses=ClaimsShown,
    )
    def get(self, request: Request) -> Response:
        """The resources of all organizations that wait for portal staff, the one that has waited
        longest first. For portal staff.
        """
        services.MAY_VERIFY.require(caller(request))
        page, waiting = page_number(request), waiting_for_staff()
        count, following = waiting.count(), None
        if page * PAGE_SIZE < count:
            query = urlencode({"page": page + 1})
            following = request.build_absolute_uri(f"{request.path}?{query}")
        rows = waiting[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
        return Response(ClaimsShown({"count": count, "next": following, "results": rows}).data)


class ClaimView(APIView):
    @extend_schema(operation_id="read_claim", responses=ComparisonShown)
    def get(self, request: Request, resource_id: UUID) -> Response:
        """A resource of any organization, and the verified resources of others that overlap with
        it. For portal staff.
        """
        services.MAY_VERIFY.require(caller(request))
        return Response(_shown(resource_id))


class VerifyView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(
        operation_id="verify_claim", request=ClaimVerification, responses=ComparisonShown
    )
    def post(self, request: Request, resource_id: UUID) -> Response:
        """The organization may use the resource, and its admins get a mail. If something overlaps,
        `overlaps_seen` and a reason are required. For portal staff, with a fresh second factor.
        """
        services.MAY_VERIFY.require(caller(request))
        found = resource_for_staff(resource_id)
        require_fresh_factor(request)
        form = ClaimVerification.of(request)
        services.verify_by_staff(
            resource=found, actor=caller(request), address=address_of(request),
            **form.validated_data,
        )  # fmt: skip
        return Response(_shown(resource_id))


class RefuseView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="refuse_claim", request=ClaimRefusal, responses=ComparisonShown)
    def post(self, request: Request, resource_id: UUID) -> Response:
        """Its admins get a mail with the reason. 409 `already-verified` if the resource is
        verified. For portal staff, with a fresh second factor.
        """
        services.MAY_VERIFY.require(caller(request))
        found = resource_for_staff(resource_id)
        require_fresh_factor(request)
        form = ClaimRefusal.of(request)
        services.refuse_by_staff(
            resource=found, actor=caller(request), address=address_of(request),
            **form.validated_data,
        )  # fmt: skip
        return Response(_shown(resource_id))


def _shown(resource_id: UUID) -> Any:
    compared = comparison(resource_for_staff(resource_id), timezone.now())
    return ComparisonShown(compared).data
