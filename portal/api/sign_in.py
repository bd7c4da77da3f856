"""`auth/token` and `auth/step-up`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.accounts import services
from portal.accounts.models import ApiToken, User
from portal.accounts.scopes import Scope
from portal.accounts.services.known_devices import known_device
from portal.api.authentication import BearerToken, caller, credential_of
from portal.api.fields import ApiSerializer, StrictSerializer, Text
from portal.api.throttling import CALLS_PER_ADDRESS
from portal.core.addresses import address_of
from portal.core.errors import (
    Invalid,
    InvalidCredentials,
    NotFound,
    PasswordChangeRequired,
)
from portal.organizations.models import Role

MAX_CODE_LENGTH = 40
MAX_DEVICE_TOKEN_LENGTH = 64


class SignIn(StrictSerializer):
    username = Text(max_length=services.MAX_USERNAME_LENGTH)
    password = Text(max_length=services.MAX_PASSWORD_LENGTH)
    otp = Text(max_length=MAX_CODE_LENGTH)
    device_name = Text(max_length=services.MAX_DEVICE_NAME_LENGTH)
    new_password = Text(max_length=services.MAX_PASSWORD_LENGTH, required=False, default="")
    """Only after the answer `password-change-required`: a password that you choose."""
    device_token = Text(max_length=MAX_DEVICE_TOKEN_LENGTH, required=False, default="")
    """The value that this device’s last sign-in returned."""


class DeviceShown(ApiSerializer[ApiToken]):
    id = serializers.UUIDField(source="device_id")
    name = serializers.CharField(source="device_name")


class SignedIn(ApiSerializer[services.IssuedToken]):
    token = serializers.CharField(source="plain")
    expires_at = serializers.DateTimeField(source="token.expiry")
    device = DeviceShown(source="token")
    device_token = serializers.CharField()
    """Send it with the next sign-in: other people’s failed attempts do not slow down a known
    device."""


class OrganizationShown(ApiSerializer[Any]):
    slug = serializers.CharField()
    name = serializers.CharField()


class MembershipShown(ApiSerializer[Any]):
    organization = OrganizationShown()
    role = serializers.ChoiceField(choices=Role.choices)


def _is_known(sign_in: dict[str, str]) -> bool:
    secret, username = sign_in["device_token"], sign_in["username"]
    return known_device(secret=secret, username=username) is not None


def _with_own_password(user: User, sign_in: dict[str, str], address: str) -> User:
    """The person, who has chosen the password."""
    new = sign_in["new_password"]
    if not user.must_change_password:
        if new:
            message = "Your password is your own. Change it with POST me/password."
            raise Invalid.at("new_password", "not-required", message)
        return user
    if not new:
        raise PasswordChangeRequired
    return services.change_password(
        user=user,
        current=sign_in["password"],
        new=new,
        address=address,
        device_secret=sign_in["device_token"],
    )


class TokenView(APIView):
    """A device signs in with password and code at once, and signs itself out."""

    changing_scope = Scope.READ

    def get_authenticators(self) -> list[Any]:
        # A stale token or cookie must not prevent signing in.
        return [BearerToken()] if self._is_sign_out() else []

    def get_permissions(self) -> list[Any]:
        return list(super().get_permissions()) if self._is_sign_out() else [AllowAny()]

    def get_throttles(self) -> list[Any]:
        # Sign-ins are counted below, so that other calls from this address do not lock out a known
        # device.
        return list(super().get_throttles()) if self._is_sign_out() else []

    def _is_sign_out(self) -> bool:
        return getattr(self, "request", None) is not None and self.request.method == "DELETE"

    @extend_schema(operation_id="sign_in", request=SignIn, responses={201: SignedIn}, auth=[])
    def post(self, request: Request) -> Response:
        """The error is always invalid-credentials, whichever part is wrong. 403
        `password-change-required` if someone else set the password: call again, with the next code
        and a `new_password`.
        """
        address, form = address_of(request), SignIn(data=request.data)
        if not form.is_valid() or not _is_known(form.validated_data):
            username = form.validated_data.get("username", "")
            services.count_try(
                CALLS_PER_ADDRESS, username=username, address=address, step="password"
            )
        form.is_valid(raise_exception=True)
        device_token = form.validated_data["device_token"]
        user = services.sign_in(
            username=form.validated_data["username"],
            password=form.validated_data["password"],
            code=form.validated_data["otp"],
            address=address,
            device_secret=device_token,
        )
        user = _with_own_password(user, form.validated_data, address)
        issued = services.issue_token(
            user=user,
            device_name=form.validated_data["device_name"],
            device_token=device_token,
            address=address,
        )
        return Response(SignedIn(issued).data, status=201, headers={"Cache-Control": "no-store"})

    @extend_schema(operation_id="sign_out", responses={204: None})
    def delete(self, request: Request) -> Response:
        """Sign out: revokes the token of this call and closes its sockets."""
        if not isinstance(request.auth, ApiToken):
            raise NotFound("This call came without a token, so there is none to sign out.")
        services.revoke_token(token=request.auth, address=address_of(request))
        return Response(status=204)


class StepUp(StrictSerializer):
    otp = Text(max_length=MAX_CODE_LENGTH)
    password = Text(max_length=services.MAX_PASSWORD_LENGTH, required=False, default="")
    """For calls that answer `fresh-sign-in-required`."""
    device_token = Text(max_length=MAX_DEVICE_TOKEN_LENGTH, required=False, default="")
    """The value that this device’s last sign-in returned."""


class SteppedUp(ApiSerializer[Any]):
    fresh_until = serializers.DateTimeField()


class StepUpView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="step_up", request=StepUp, responses=SteppedUp)
    def post(self, request: Request) -> Response:
        """Give the second factor again, for calls that answer `fresh-factor-required`; and the
        password too, for those that answer `fresh-sign-in-required`. It holds for this token or
        session.
        """
        form = StepUp.of(request)
        try:
            fresh_until = services.step_up(
                credential=credential_of(request),
                user=caller(request),
                code=form.validated_data["otp"],
                address=address_of(request),
                device_secret=form.validated_data["device_token"],
                password=form.validated_data["password"],
            )
        except InvalidCredentials:
            # Not 401: the token is as good as before.
            message = "That code did not match. Send the next one."
            if form.validated_data["password"]:
                message = "The password or the code did not match. Send the next code."
            raise Invalid.at("otp", "code-mismatch", message) from None
        return Response(SteppedUp({"fresh_until": fresh_until}).data)
