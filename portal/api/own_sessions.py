"""`me/sessions`: where the calling person is signed in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.accounts import services
from portal.accounts.scopes import Scope
from portal.api.authentication import caller, credential_of, require_fresh_factor
from portal.api.fields import ApiSerializer
from portal.core.addresses import address_of


class OwnSessionShown(ApiSerializer[services.OwnSession]):
    id = serializers.UUIDField()
    kind = serializers.CharField(help_text="`browser` or `app`.")
    device = serializers.CharField(
        help_text="What it is: for a browser by what it calls itself, for an app by the name that "
        "it gave."
    )
    address = serializers.CharField(help_text="From where it was used last; may be empty.")
    signed_in_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField(allow_null=True, help_text="To the minute.")
    is_this = serializers.BooleanField(help_text="This call comes from it.")


class OwnSessionsShown(ApiSerializer[Any]):
    results = OwnSessionShown(many=True)


class OwnSessionsView(APIView):
    reading_scope = Scope.ADMIN
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="list_my_sessions", responses=OwnSessionsShown)
    def get(self, request: Request) -> Response:
        """The browsers and apps in which the caller is signed in: first the one of this call, then
        the most recently used. Tokens for programs are under `me/tokens`.
        """
        own = services.own_sessions(caller(request), credential_of(request))
        return Response(OwnSessionsShown({"results": own}).data)

    @extend_schema(operation_id="end_my_other_sessions", responses={204: None})
    def delete(self, request: Request) -> Response:
        """End all sessions of the caller but the one of this call. Their open sockets close. Needs
        a fresh second factor.
        """
        user = caller(request)
        require_fresh_factor(request)
        services.end_other_sessions(
            user=user, credential=credential_of(request), address=address_of(request)
        )
        return Response(status=204)


class OwnSessionView(APIView):
    reading_scope = Scope.ADMIN
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="end_my_session", responses={204: None})
    def delete(self, request: Request, session_id: UUID) -> Response:
        """End a session. Its open sockets close. 409 `this-session` for the one of this call. Needs
        a fresh second factor.
        """
        user = caller(request)
        require_fresh_factor(request)
        services.end_session(
            user=user,
            session_id=session_id,
            credential=credential_of(request),
            address=address_of(request),
        )
        return Response(status=204)
