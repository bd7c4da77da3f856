"""`organizations/{slug}/unknown-mitigations`: mitigations that providers hold and that no request
here asked for.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from portal.api.authentication import actor_of, membership_of
from portal.api.fields import ApiSerializer
from portal.api.mitigation_shown import PortsShown, ScopeShown, StillHeldShown
from portal.api.pagination import LatestFoundFirst, page_of
from portal.api.request_shown import RequestShown
from portal.api.requests import reread, shown_request
from portal.api.schema import CURSOR, LIMIT, page_schema
from portal.inventory import queries, services
from portal.inventory.access import unknown_for
from portal.inventory.models import Ending, UnknownMitigation
from portal.mitigations.states import Status, reported_status
from portal.mitigations.validation import INDEFINITE
from portal.organizations.acting import name_at
from portal.organizations.models import Role

STATUSES = [
    Status.IN_PROGRESS, Status.MITIGATING, Status.ATTACK_STOPPED, Status.EXCEEDED,
    Status.TERMINATING,
    Status.WITHDRAWN, Status.STANDBY,
]  # fmt: skip


class HeldTargetsShown(ScopeShown):
    aliases = serializers.ListField(child=serializers.CharField())


class UnknownShown(ApiSerializer[UnknownMitigation]):
    id = serializers.UUIDField()
    subscription = serializers.UUIDField(source="subscription_id")
    provider = serializers.CharField(source="subscription.provider.name")
    mid = serializers.IntegerField()
    targets = HeldTargetsShown(help_text="As the provider spells them.")
    ports = PortsShown(many=True)
    protocols = serializers.ListField(child=serializers.IntegerField())
    filters = serializers.ListField(
        child=serializers.CharField(), help_text="Filters that it switches on or off (RFC 9133)."
    )
    preconfigured = serializers.BooleanField(
        source="is_preconfigured", help_text="The provider starts it when it loses contact."
    )
    status = serializers.SerializerMethodField(
        help_text=(
            "Null: the provider does not say, or reports a status that the portal does not know."
        )
    )
    dots_status = serializers.IntegerField(allow_null=True)
    mitigation_start = serializers.DateTimeField(allow_null=True)
    lifetime_remaining = serializers.SerializerMethodField(
        help_text="Seconds; -1: no end; null: not reported."
    )
    found_at = serializers.DateTimeField()
    reported_at = serializers.DateTimeField(help_text="When the provider last reported it.")
    asked_by = serializers.SerializerMethodField(
        help_text="The request that asked for it and has ended here; null: none did."
    )
    withdrawal_asked_at = serializers.DateTimeField(allow_null=True)
    withdrawn_by = serializers.SerializerMethodField()
    withdrawal_confirmed_at = serializers.DateTimeField(allow_null=True)
    refusal_code = serializers.CharField(
        help_text=(
            "The code with which the provider refused the last withdrawal; empty: it did not "
            "refuse."
        )
    )
    still_held = serializers.SerializerMethodField(
        help_text="The provider confirmed the withdrawal and keeps it in standby; null: no."
    )
    ended_at = serializers.DateTimeField(allow_null=True)
    ending = serializers.ChoiceField(choices=[*Ending.choices, ("", "it has not ended")])
    request = serializers.UUIDField(
        source="request_id", allow_null=True, help_text="The request that adopted it."
    )

    def get_status(self, unknown: UnknownMitigation) -> str | None:
        status = reported_status(unknown.dots_status)
        return None if status is None else status.value

    def get_lifetime_remaining(self, unknown: UnknownMitigation) -> int | None:
        if unknown.is_indefinite:
            return INDEFINITE
        if unknown.expires_at is None:
            return None
        return max(0, int((unknown.expires_at - timezone.now()).total_seconds()))

    def get_asked_by(self, unknown: UnknownMitigation) -> UUID | None:
        return unknown.asked_once.request_id if unknown.asked_once else None

    @extend_schema_field(StillHeldShown(allow_null=True))
    def get_still_held(self, unknown: UnknownMitigation) -> Any:
        return StillHeldShown(unknown).data if unknown.is_still_held else None

    def get_withdrawn_by(self, unknown: UnknownMitigation) -> str | None:
        return (
            name_at(unknown.withdrawn_by, unknown.organization_id, unknown.withdrawal_asked_at)
            or None
        )


class UnknownMitigationsView(APIView):
    @extend_schema(
        operation_id="list_unknown_mitigations",
        responses=page_schema(UnknownShown),
        parameters=[CURSOR, LIMIT],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Mitigations that providers hold now although no request here asked for them; the latest
        found first.
        """
        membership = membership_of(request, slug)
        present = queries.present(membership.organization)
        return page_of(present, UnknownShown, LatestFoundFirst(), request, self)


class UnknownMitigationView(APIView):
    @extend_schema(operation_id="get_unknown_mitigation", responses=UnknownShown)
    def get(self, request: Request, slug: str, unknown_id: UUID) -> Response:
        """One unknown mitigation, for some days after its end too."""
        membership = membership_of(request, slug)
        return Response(UnknownShown(unknown_for(membership, unknown_id)).data)


class AdoptView(APIView):
    @extend_schema(
        operation_id="adopt_unknown_mitigation", request=None, responses={202: RequestShown}
    )
    def post(self, request: Request, slug: str, unknown_id: UUID) -> Response:
        """Create a request that owns it. Repeating the call returns the same request.

        409, with a code for the reason, if no request here could have asked for it; it can
        still be withdrawn. `spelled-otherwise`: the provider holds a target in a spelling that the
        portal does not send, such as `https://shop.example` for `https://shop.example/`, and could
        refuse to renew it. A new request for these targets takes its place. `quota-organization`,
        `quota-person`: the limit on live requests is reached.
        """
        membership = membership_of(request, slug, Role.OPERATOR)
        unknown = unknown_for(membership, unknown_id)
        adopted = services.adopt(unknown_id=unknown.pk, actor=actor_of(request))
        location = reverse("api:request", args=[slug, adopted.pk])
        return shown_request(
            reread(membership.organization, adopted.pk), status=202, Location=location
        )


class WithdrawUnknownView(APIView):
    # Ending a mitigation must work whatever other calls the client makes.
    throttle_classes: list[type[BaseThrottle]] = []

    @extend_schema(
        operation_id="withdraw_unknown_mitigation", request=None, responses={202: UnknownShown}
    )
    def post(self, request: Request, slug: str, unknown_id: UUID) -> Response:
        """Tell the provider to stop it. Repeating the call is harmless; it is never throttled.

        409 `adopted` if a request owns it: terminate that request instead.
        """
        membership = membership_of(request, slug, Role.OPERATOR)
        unknown = unknown_for(membership, unknown_id)
        services.withdraw(unknown_id=unknown.pk, actor=actor_of(request))
        return Response(UnknownShown(unknown_for(membership, unknown_id)).data, status=202)
