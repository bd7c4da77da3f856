"""`me/factors` and `me/recovery-codes`: how the calling person proves who they are."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.accounts import services
from portal.accounts.models import MAX_FACTOR_NAME_LENGTH
from portal.accounts.scopes import Scope
from portal.api.authentication import caller, require_fresh_factor, require_fresh_sign_in
from portal.api.fields import ApiSerializer, StrictSerializer, Text
from portal.api.sign_in import MAX_CODE_LENGTH
from portal.core.addresses import address_of


class FactorShown(ApiSerializer[services.Factor]):
    kind = serializers.CharField(help_text="`app`: an authenticator app; or `passkey`.")
    id = serializers.IntegerField()
    name = serializers.CharField()
    added_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)


class FactorsShown(ApiSerializer[Any]):
    results = FactorShown(many=True)
    recovery_codes_left = serializers.IntegerField()


class FactorName(StrictSerializer):
    name = Text(max_length=MAX_FACTOR_NAME_LENGTH)


class RecoveryCodesShown(ApiSerializer[Any]):
    codes = serializers.ListField(child=serializers.CharField())


class AppKeyShown(ApiSerializer[services.AppSetup]):
    key = serializers.CharField(source="enrolment.base32_key", help_text="To type into the app.")
    otpauth_uri = serializers.CharField(
        source="enrolment.otpauth_uri", help_text="The content of the QR code."
    )
    setup = serializers.CharField(help_text="Send it back with the first code, within 10 minutes.")


class NewApp(StrictSerializer):
    name = Text(max_length=MAX_FACTOR_NAME_LENGTH)
    code = Text(max_length=MAX_CODE_LENGTH)
    setup = Text(max_length=services.MAX_SETUP_LENGTH)


class FactorsView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="list_factors", responses=FactorsShown)
    def get(self, request: Request) -> Response:
        """The caller's second factors, the oldest first."""
        user = caller(request)
        shown = {
            "results": services.factors_of(user),
            "recovery_codes_left": services.recovery_codes_left(user),
        }
        return Response(FactorsShown(shown).data)

    @extend_schema(operation_id="add_app", request=NewApp, responses={201: FactorShown})
    def post(self, request: Request) -> Response:
        """Add an authenticator app, with the first code that it shows for a key of
        `me/factors/app-key`. 409 `too-many-factors` at the limit, `same-app` if it was added. Needs
        a fresh sign-in.
        """
        user = caller(request)
        require_fresh_sign_in(request)
        form = NewApp.of(request)
        device = services.add_authenticator(
            user=user,
            key=services.key_of_setup(user=user, setup=form.validated_data["setup"]),
            code=form.validated_data["code"],
            name=form.validated_data["name"],
            address=address_of(request),
        )
        own = services.factors_of(user)
        added = next(one for one in own if (one.kind, one.id) == ("app", device.pk))
        return Response(FactorShown(added).data, status=201)


class AppKeyView(APIView):
    reading_scope = Scope.ADMIN
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="make_app_key", request=None, responses={201: AppKeyShown})
    def post(self, request: Request) -> Response:
        """A key for another authenticator app. Nothing changes until its first code arrives at
        `POST me/factors`. Needs a fresh sign-in.
        """
        user = caller(request)
        require_fresh_sign_in(request)
        shown = AppKeyShown(services.begin_app(user=user)).data
        return Response(shown, status=201, headers={"Cache-Control": "no-store"})


class FactorView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="rename_factor", request=FactorName, responses={204: None})
    def patch(self, request: Request, kind: str, factor_id: int) -> Response:
        """Give a second factor another name. Needs a fresh second factor."""
        require_fresh_factor(request)
        form = FactorName.of(request)
        services.rename_factor(
            user=caller(request), kind=kind, factor_id=factor_id, name=form.validated_data["name"]
        )
        return Response(status=204)

    @extend_schema(operation_id="remove_factor", responses={204: None})
    def delete(self, request: Request, kind: str, factor_id: int) -> Response:
        """Remove a second factor; the sessions that were opened with it end. 409 `last-factor` for
        the only one. Needs a fresh sign-in.
        """
        require_fresh_sign_in(request)
        services.remove_factor(user=caller(request), kind=kind, factor_id=factor_id)
        return Response(status=204)


class RecoveryCodesView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(
        operation_id="renew_recovery_codes", request=None, responses={201: RecoveryCodesShown}
    )
    def post(self, request: Request) -> Response:
        """New recovery codes, which are never shown again. The old ones end. Needs a fresh
        sign-in.
        """
        require_fresh_sign_in(request)
        codes = services.renew_recovery_codes(user=caller(request))
        shown = RecoveryCodesShown({"codes": codes}).data
        return Response(shown, status=201, headers={"Cache-Control": "no-store"})
