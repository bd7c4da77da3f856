"""`me`: the calling person, with password and address."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.accounts import services
from portal.accounts.models import MAX_DISPLAY_NAME_LENGTH
from portal.accounts.scopes import Scope
from portal.api.acting import ActingShown
from portal.api.authentication import caller, require_fresh_factor, require_fresh_sign_in
from portal.api.fields import ApiSerializer, StrictSerializer, Text
from portal.api.sign_in import MAX_DEVICE_TOKEN_LENGTH, MembershipShown
from portal.core.addresses import address_of
from portal.core.origins import origin_of
from portal.organizations import queries

MAX_ZONE_LENGTH: Final = 64
MAX_EMAIL_LENGTH: Final = 254
MAX_LINK_LENGTH: Final = 128


class PersonShown(ApiSerializer[Any]):
    id = serializers.UUIDField()
    username = serializers.CharField()
    display_name = serializers.CharField(help_text="What colleagues read; may be empty.")
    email = serializers.EmailField()
    time_zone = serializers.CharField(
        help_text="For pages and mails, such as `Europe/Prague`. Empty: not chosen, UTC. Times in "
        "the API are always UTC."
    )
    is_staff = serializers.BooleanField()


class MeShown(ApiSerializer[Any]):
    username = serializers.CharField(source="user.username")
    user = PersonShown()
    memberships = MembershipShown(many=True)
    acting_for = ActingShown(
        allow_null=True, help_text="The organization that staff act for with this token or session."
    )


class ChangedMe(StrictSerializer):
    display_name = Text(max_length=MAX_DISPLAY_NAME_LENGTH, allow_blank=True, required=False)
    time_zone = Text(max_length=MAX_ZONE_LENGTH, allow_blank=True, required=False)


class MeView(APIView):
    @extend_schema(operation_id="me", responses=MeShown)
    def get(self, request: Request) -> Response:
        """The caller, with their organizations and roles."""
        return _shown(request)

    @extend_schema(operation_id="change_me", request=ChangedMe, responses=MeShown)
    def patch(self, request: Request) -> Response:
        """Change what colleagues read beside the caller's name for signing in, and the time zone of
        pages and mails.
        """
        form = ChangedMe.of(request)
        services.change_profile(user=caller(request), **form.validated_data)
        return _shown(request)


def _shown(request: Request) -> Response:
    user = caller(request)
    shown = {
        "user": user,
        "memberships": queries.memberships(user),
        "acting_for": user.may_act,
    }
    return Response(MeShown(shown).data)


class NewPassword(StrictSerializer):
    current_password = Text(max_length=services.MAX_PASSWORD_LENGTH)
    new_password = Text(max_length=services.MAX_PASSWORD_LENGTH)
    device_token = Text(max_length=MAX_DEVICE_TOKEN_LENGTH, required=False, default="")
    """The value that this device’s last sign-in returned."""


class PasswordView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="change_password", request=NewPassword, responses={204: None})
    def post(self, request: Request) -> Response:
        """Change the caller's password. Every session and token of the caller ends, also the one of
        this call. Needs a fresh second factor.
        """
        require_fresh_factor(request)
        form = NewPassword.of(request)
        services.change_password(
            user=caller(request),
            current=form.validated_data["current_password"],
            new=form.validated_data["new_password"],
            address=address_of(request),
            device_secret=form.validated_data["device_token"],
        )
        return Response(status=204)


class NewEmail(StrictSerializer):
    email = Text(max_length=MAX_EMAIL_LENGTH)


class EmailAsked(ApiSerializer[Any]):
    email = serializers.EmailField(help_text="As it will be saved.")


class EmailView(APIView):
    reading_scope = Scope.ADMIN
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="ask_for_email", request=NewEmail, responses={202: EmailAsked})
    def post(self, request: Request) -> Response:
        """Mail a link to another address of the caller. The address counts once the link is used,
        within an hour. Needs a fresh sign-in.
        """
        user = caller(request)
        require_fresh_sign_in(request)
        form = NewEmail.of(request)
        email = services.ask_for_email(
            user=user, email=form.validated_data["email"], origin=origin_of(request)
        )
        return Response(EmailAsked({"email": email}).data, status=202)


class EmailLink(StrictSerializer):
    token = Text(max_length=MAX_LINK_LENGTH, help_text="The last part of the link in the mail.")


class ConfirmEmailView(APIView):
    reading_scope = Scope.ADMIN
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="confirm_email", request=EmailLink, responses=MeShown)
    def post(self, request: Request) -> Response:
        """Use the new address from now on. 410 `link-ended` for a link that is used, too old or
        another person's; 409 `address-taken` if another account has the address.
        """
        user = caller(request)
        form = EmailLink.of(request)
        changed = services.confirm_email(
            token=form.validated_data["token"], user=user, address=address_of(request)
        )
        user.email = changed.email
        return _shown(request)
