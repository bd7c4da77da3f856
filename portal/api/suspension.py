"""`organizations/{slug}/suspension`, for the portal's staff."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.authentication import actor_of, caller, require_fresh_factor
from portal.api.fields import ApiSerializer, StrictSerializer, Text
from portal.core.typed_lines import MAX_REASON_LENGTH
from portal.organizations import suspension


class NewSuspension(StrictSerializer):
    reason = Text(max_length=MAX_REASON_LENGTH)
    """For the organization's people; 10 characters at least."""


class SuspensionShown(ApiSerializer[Any]):
    suspended_at = serializers.DateTimeField()
    reason = serializers.CharField(source="suspension_reason")


class SuspensionView(APIView):
    @extend_schema(operation_id="suspend", request=NewSuspension, responses={201: SuspensionShown})
    def post(self, request: Request, slug: str) -> Response:
        """Refuse new requests, plans, drills and extensions of an organization with 409
        `organization-suspended`. Live requests continue. For portal staff, with a fresh
        second factor.
        """
        suspension.MAY_CHANGE.require(caller(request))
        require_fresh_factor(request)
        form = NewSuspension.of(request)
        suspended = suspension.suspend(slug=slug, actor=actor_of(request), **form.validated_data)
        return Response(SuspensionShown(suspended).data, status=201)

    @extend_schema(operation_id="lift_suspension", responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        """For portal staff. Needs a fresh second factor."""
        suspension.MAY_CHANGE.require(caller(request))
        require_fresh_factor(request)
        suspension.lift(slug=slug, actor=actor_of(request))
        return Response(status=204)
