"""`organizations/{slug}/live-limit`, for the portal's staff."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.accounts.scopes import Scope
from portal.api.authentication import actor_of, caller, require_fresh_factor
from portal.api.fields import ApiSerializer, StrictSerializer, Text, WholeNumber
from portal.core.typed_lines import MAX_REASON_LENGTH
from portal.organizations import live_limit, suspension


class NewLimit(StrictSerializer):
    max_live_requests = WholeNumber(at_least=live_limit.MIN_LIMIT, at_most=live_limit.MAX_LIMIT)
    reason = Text(max_length=MAX_REASON_LENGTH, allow_blank=True, required=False, default="")
    """For the organization's admins."""


class LimitShown(ApiSerializer[Any]):
    slug = serializers.CharField()
    max_live_requests = serializers.IntegerField()


class LiveLimitView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="change_live_limit", request=NewLimit, responses=LimitShown)
    def put(self, request: Request, slug: str) -> Response:
        """Change how many live requests an organization may have; its admins get a mail. A lower
        limit ends none. For portal staff, with a fresh second factor.
        """
        suspension.MAY_CHANGE.require(caller(request))
        require_fresh_factor(request)
        form = NewLimit.of(request)
        changed = live_limit.change_limit(
            slug=slug,
            actor=actor_of(request),
            limit=form.validated_data["max_live_requests"],
            reason=form.validated_data["reason"],
        )
        return Response(LimitShown(changed).data)
