"""`me/tokens` and `organizations/{slug}/service-tokens`: tokens for programs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.accounts import services
from portal.accounts.models import ApiToken, User
from portal.accounts.networks import MAX_NETWORKS
from portal.accounts.scopes import Scope
from portal.api.authentication import actor_of, caller, membership_of, require_fresh_factor
from portal.api.fields import ApiSerializer, Choice, Several, StrictSerializer, Text, WholeNumber
from portal.api.members import admin_of
from portal.core.addresses import address_of
from portal.core.errors import NotFound
from portal.organizations import service_tokens
from portal.organizations.models import Role, ServiceToken
from portal.sso.queries import factor_of

MAX_NETWORK_LENGTH = 64


class _NewToken(StrictSerializer):
    name = Text(max_length=services.MAX_DEVICE_NAME_LENGTH)
    days = WholeNumber(
        at_least=1,
        at_most=services.MAX_TOKEN_DAYS,
        required=False,
        default=services.DEFAULT_TOKEN_DAYS,
        help_text="How long it lasts.",
    )
    allowed_networks = Several(
        child=Text(max_length=MAX_NETWORK_LENGTH),
        limit=MAX_NETWORKS,
        required=False,
        default=[],
        help_text="Such as `198.51.100.0/24`. Empty: everywhere.",
    )


class NewToken(_NewToken):
    scope = Choice(Scope.values)


class NewServiceToken(_NewToken):
    role = Choice([role.value for role in service_tokens.ROLES])


class NetworksShown(serializers.ListField):
    child = serializers.CharField()

    def to_representation(self, data: str) -> list[str]:  # type: ignore[override]
        return data.split()


class TokenShown(ApiSerializer[ApiToken]):
    id = serializers.UUIDField(source="device_id")
    name = serializers.CharField(source="device_name")
    hint = serializers.CharField(source="token_key", help_text="Its first characters.")
    scope = serializers.ChoiceField(choices=Scope.choices)
    allowed_networks = NetworksShown()
    created_at = serializers.DateTimeField(source="created")
    expires_at = serializers.DateTimeField(source="expiry")
    last_used_at = serializers.DateTimeField(allow_null=True)
    last_used_address = serializers.CharField()


class TokensShown(ApiSerializer[Any]):
    results = TokenShown(many=True)


class TokenMade(ApiSerializer[Any]):
    token = serializers.CharField(help_text="Shown once.")
    details = TokenShown()


class ServiceTokenShown(ApiSerializer[ServiceToken]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    hint = serializers.CharField(help_text="Its first characters.")
    role = serializers.ChoiceField(choices=Role.choices)
    allowed_networks = NetworksShown()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField(
        source="created_by.username",
        allow_null=True,
        help_text="Null after the person’s account was deleted.",
    )
    expires_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    last_used_address = serializers.CharField()


class ServiceTokensShown(ApiSerializer[Any]):
    results = ServiceTokenShown(many=True)


class ServiceTokenMade(ApiSerializer[Any]):
    token = serializers.CharField(help_text="Shown once.")
    details = ServiceTokenShown()


class TokensView(APIView):
    reading_scope = Scope.ADMIN
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="list_my_tokens", responses=TokensShown)
    def get(self, request: Request) -> Response:
        """The tokens that you made for programs, newest first. Apps that are signed in are under
        `me/sessions`.
        """
        return Response(TokensShown({"results": services.named_tokens(caller(request))}).data)

    @extend_schema(operation_id="make_token", request=NewToken, responses={201: TokenMade})
    def post(self, request: Request) -> Response:
        """Make a token for a program. Scope `read` allows what a viewer may, `request` what an
        operator may, `admin` all that you may. Needs a fresh second factor. 409 `too-many-tokens`
        at the limit.
        """
        user = caller(request)
        require_fresh_factor(request)
        form = NewToken.of(request)
        given = form.validated_data
        token, plain = services.make_token(
            user=user,
            name=given["name"],
            scope=Scope(given["scope"]),
            days=given["days"],
            networks=given["allowed_networks"],
            address=address_of(request),
            is_federated=_is_federated(request, user),
        )
        return _made(TokenMade({"token": plain, "details": token}).data)


class MyTokenView(APIView):
    reading_scope = Scope.ADMIN
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="revoke_my_token", responses={204: None})
    def delete(self, request: Request, token_id: UUID) -> Response:
        """End a token. Its open sockets close, and its running calls no longer change anything."""
        own = services.named_tokens(caller(request)).filter(device_id=token_id)
        token = own.select_related("user").first()
        if token is None:
            raise NotFound
        services.revoke_token(token=token, address=address_of(request))
        return Response(status=204)


class ServiceTokensView(APIView):
    @extend_schema(operation_id="list_service_tokens", responses=ServiceTokensShown)
    def get(self, request: Request, slug: str) -> Response:
        """The tokens of programs that belong to the organization, by name. Admins only."""
        organization = membership_of(request, slug, Role.ADMIN).organization
        rows = service_tokens.tokens_of(organization)
        return Response(ServiceTokensShown({"results": rows}).data)

    @extend_schema(
        operation_id="make_service_token",
        request=NewServiceToken,
        responses={201: ServiceTokenMade},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Make a token that belongs to the organization. It reads, and with the role operator it
        requests, extends and terminates mitigation, under its own name. Needs a fresh second
        factor. 409 `too-many-tokens` at the limit.
        """
        organization = admin_of(request, slug).organization
        form = NewServiceToken.of(request)
        given = form.validated_data
        token, plain = service_tokens.make(
            organization=organization,
            actor=actor_of(request),
            name=given["name"],
            role=Role(given["role"]),
            days=given["days"],
            networks=given["allowed_networks"],
            address=address_of(request),
        )
        return _made(ServiceTokenMade({"token": plain, "details": token}).data)


class ServiceTokenView(APIView):
    @extend_schema(operation_id="revoke_service_token", responses={204: None})
    def delete(self, request: Request, slug: str, token_id: UUID) -> Response:
        """End a token. Its open sockets close, and its running calls no longer change anything.
        Needs a fresh second factor.
        """
        service_tokens.revoke(
            organization=admin_of(request, slug).organization,
            token_id=token_id,
            actor=actor_of(request),
            address=address_of(request),
        )
        return Response(status=204)


def _is_federated(request: Request, user: User) -> bool:
    """Whether the call acts by single sign-on: with its session, or with a token made in one."""
    if isinstance(request.auth, ApiToken):
        return request.auth.is_federated
    return factor_of(user) is not None


def _made(body: Any) -> Response:
    return Response(body, status=201, headers={"Cache-Control": "no-store"})
