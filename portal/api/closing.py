"""`organizations/{slug}/name` and `organizations/{slug}/closing`, for the portal's staff."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.accounts.scopes import Scope
from portal.api.authentication import actor_of, caller, require_fresh_factor
from portal.api.fields import ApiSerializer, StrictSerializer, Text
from portal.core.typed_lines import MAX_REASON_LENGTH
from portal.organizations import closing, founding, suspension


class NewName(StrictSerializer):
    name = Text(max_length=founding.MAX_NAME_LENGTH)


class NamedOrganization(ApiSerializer[Any]):
    slug = serializers.CharField()
    name = serializers.CharField()


class NameView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(
        operation_id="rename_organization", request=NewName, responses={200: NamedOrganization}
    )
    def put(self, request: Request, slug: str) -> Response:
        """Give an organization another name; its slug stays. For portal staff, with a fresh second
        factor.
        """
        suspension.MAY_CHANGE.require(caller(request))
        require_fresh_factor(request)
        form = NewName.of(request)
        renamed = closing.rename(
            slug=slug, actor=actor_of(request), name=form.validated_data["name"]
        )
        return Response(NamedOrganization(renamed).data)


class ClosingReason(StrictSerializer):
    reason = Text(max_length=MAX_REASON_LENGTH)
    """For the organization's admins; 10 characters at least."""


class ClosingView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="close_organization", request=ClosingReason, responses={204: None})
    def post(self, request: Request, slug: str) -> Response:
        """Close an organization to its members; its admins get a mail. Live requests continue. 409
        `closed-already` if it is. For portal staff, with a fresh second factor.
        """
        suspension.MAY_CHANGE.require(caller(request))
        require_fresh_factor(request)
        form = ClosingReason.of(request)
        closing.close(slug=slug, actor=actor_of(request), reason=form.validated_data["reason"])
        return Response(status=204)

    @extend_schema(operation_id="open_organization", responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        """Open it again. For portal staff, with a fresh second factor."""
        suspension.MAY_CHANGE.require(caller(request))
        require_fresh_factor(request)
        closing.open_again(slug=slug, actor=actor_of(request))
        return Response(status=204)
