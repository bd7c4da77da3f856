"""`organizations/{slug}/acting`, for the portal's staff."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.authentication import caller, credential_of, require_fresh_factor
from portal.api.fields import ApiSerializer, StrictSerializer, Text
from portal.core.errors import NotFound
from portal.core.typed_lines import MAX_REASON_LENGTH
from portal.organizations import acting


class NewActing(StrictSerializer):
    reason = Text(max_length=MAX_REASON_LENGTH)
    """For the organization's people; 10 characters at least."""


class ActingShown(ApiSerializer[Any]):
    organization = serializers.CharField(source="slug")
    reason = serializers.CharField()
    ends_at = serializers.DateTimeField()


class ActingView(APIView):
    @extend_schema(operation_id="act_for", request=NewActing, responses={201: ActingShown})
    def post(self, request: Request, slug: str) -> Response:
        """Act for an organization with this token or session, as an operator and for 30 minutes
        (`PORTAL_ACTING_MINUTES`). Its admins get a mail. 409 `acting-already` while it acts for
        one. For portal staff, with a fresh second factor.
        """
        user = caller(request)
        acting.MAY_ACT.require(user)
        require_fresh_factor(request)
        form = NewActing.of(request)
        begun = acting.begin(
            slug=slug, user=user, credential=credential_of(request), **form.validated_data
        )
        return Response(ActingShown(begun).data, status=201)

    @extend_schema(operation_id="stop_acting", responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        """Stop acting for it, at once. 404 if this token or session does not act for it."""
        found = caller(request).may_act
        if found is None or found.slug != slug:
            raise NotFound
        acting.stop(found)
        return Response(status=204)
