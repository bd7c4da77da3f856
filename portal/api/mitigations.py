"""`mitigation-requests/{id}/mitigations`: actions on one provider's part."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from portal.api.authentication import actor_of, membership_of
from portal.api.fields import Identifier
from portal.api.replacement import WOULD_REPLACE, Consenting
from portal.api.request_shown import RequestShown
from portal.api.requests import reread, shown_request
from portal.mitigations import services
from portal.mitigations.access import request_for
from portal.organizations.models import Role


class AskNow(Consenting):
    subscription = Identifier(
        required=False,
        help_text="The provider to ask. Default: the next in order, or else one that is "
        "waiting for a retry.",
    )


class AskView(APIView):
    @extend_schema(
        operation_id="ask_provider_now",
        request=AskNow,
        responses={202: RequestShown, 409: WOULD_REPLACE},
    )
    def post(self, request: Request, slug: str, request_id: UUID) -> Response:
        """Ask a provider now, out of turn. Providers already asked are not affected.

        If the provider would drop other live requests in favour of this one, the call returns 409
        `would-replace` unless `replaces` lists them.

        For a standby plan: retries a provider that should hold it but refused or was never reached.
        """
        membership = membership_of(request, slug, Role.OPERATOR)
        mitigation_request = request_for(membership, request_id)
        form = AskNow.of(request)
        services.ask_provider(
            request_id=mitigation_request.pk,
            actor=actor_of(request),
            subscription_id=form.validated_data.get("subscription"),
            consent=form.consent(),
        )
        return shown_request(reread(membership.organization, mitigation_request.pk), status=202)


class WithdrawView(APIView):
    # Ending a mitigation must work whatever other calls the client makes.
    throttle_classes: list[type[BaseThrottle]] = []

    @extend_schema(operation_id="withdraw_provider", request=None, responses={202: RequestShown})
    def post(self, request: Request, slug: str, request_id: UUID, mitigation_id: UUID) -> Response:
        """Tell one provider to stop; the others continue. Repeating the call is harmless; it
        is never throttled.

        The last provider that may be filtering cannot be withdrawn: terminate the request instead.
        """
        membership = membership_of(request, slug, Role.OPERATOR)
        mitigation_request = request_for(membership, request_id)
        services.withdraw_provider(
            request_id=mitigation_request.pk, mitigation_id=mitigation_id, actor=actor_of(request)
        )
        return shown_request(reread(membership.organization, mitigation_request.pk), status=202)
