"""`organizations/{slug}/alerts` and `rejected-alerts`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.alerts import queries
from portal.alerts.alert import AlertState, AttackDirection
from portal.alerts.models import SOURCES, AlertPayload, AlertVerdict, ReceivedAlert
from portal.alerts.rates import MAX_RATES, SILENCE, ReportedRate
from portal.alerts.services.map_waiting import replay
from portal.api.authentication import actor_of, membership_of
from portal.api.fields import ApiSerializer
from portal.api.pagination import LatestAlertFirst, LatestReceivedFirst, page_of
from portal.api.schema import CURSOR, LIMIT, page_schema
from portal.mitigations.access import request_for
from portal.organizations.models import Role
from portal.wording.alerts import rejection, verdict


class AlertPortsShown(ApiSerializer[Any]):
    lower = serializers.IntegerField()
    upper = serializers.IntegerField()


class RateShown(ApiSerializer[ReportedRate]):
    at = serializers.DateTimeField(help_text="When the report arrived.")
    until = serializers.DateTimeField(
        help_text=f"Until when it was repeated, at most {SILENCE.seconds} seconds apart."
    )
    bps = serializers.IntegerField(allow_null=True, help_text="Bits per second.")
    pps = serializers.IntegerField(allow_null=True, help_text="Packets per second.")


class AlertShown(ApiSerializer[ReceivedAlert]):
    id = serializers.UUIDField()
    endpoint = serializers.UUIDField(source="endpoint_id")
    source = serializers.ChoiceField(  # type: ignore[assignment]  # a field
        choices=SOURCES, source="endpoint.source"
    )
    event_id = serializers.CharField()
    test = serializers.BooleanField(source="is_test")
    verdict = serializers.ChoiceField(choices=AlertVerdict.choices)
    because = serializers.SerializerMethodField()
    state = serializers.ChoiceField(choices=[(one.value, one.name) for one in AlertState])
    direction = serializers.ChoiceField(choices=[(one.value, one.name) for one in AttackDirection])
    targets = serializers.SerializerMethodField()
    attacker = serializers.CharField(help_text="Our own host, of an outgoing attack.")
    protocols = serializers.ListField(child=serializers.IntegerField())
    ports = AlertPortsShown(many=True)
    vector = serializers.CharField()
    severity = serializers.IntegerField(allow_null=True, help_text="0 to 4.")
    bps = serializers.IntegerField(
        allow_null=True, help_text="Bits per second, as reported last; pps too."
    )
    pps = serializers.IntegerField(allow_null=True)
    rates = RateShown(
        many=True,
        help_text="What was reported until the end, oldest first: the line in the chart of the "
        f"request. At most {MAX_RATES}; beyond that, neighbours become one, with the highest.",
    )
    incident = serializers.UUIDField(source="incident_id", allow_null=True)
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    count = serializers.IntegerField(help_text="Alerts of this incident, repeats included.")
    link = serializers.CharField()
    text = serializers.CharField()

    def get_because(self, alert: ReceivedAlert) -> str:
        return verdict(AlertVerdict(alert.verdict))

    def get_targets(self, alert: ReceivedAlert) -> list[str]:
        return list(alert.targets.texts)


class RejectionShown(ApiSerializer[Any]):
    index = serializers.IntegerField()
    code = serializers.CharField()
    field = serializers.CharField()
    because = serializers.SerializerMethodField()

    def get_because(self, found: Any) -> str:
        return rejection(found)


class RejectedShown(ApiSerializer[AlertPayload]):
    id = serializers.UUIDField()
    endpoint = serializers.UUIDField(source="endpoint_id")
    received_at = serializers.DateTimeField()
    rejections = RejectionShown(many=True)


class AlertsView(APIView):
    @extend_schema(
        operation_id="list_alerts", responses=page_schema(AlertShown), parameters=[CURSOR, LIMIT]
    )
    def get(self, request: Request, slug: str) -> Response:
        """What detectors reported, the latest first; repeats are folded into their incident."""
        membership = membership_of(request, slug)
        rows = queries.alerts(membership.organization)
        return page_of(rows, AlertShown, LatestAlertFirst(), request, self)


class RequestAlertsView(APIView):
    @extend_schema(
        operation_id="list_alerts_of_request",
        responses=page_schema(AlertShown),
        parameters=[CURSOR, LIMIT],
    )
    def get(self, request: Request, slug: str, request_id: UUID) -> Response:
        """What detectors reported of the attack, the latest first. The chart of the request shows
        the `rates`, beside what providers report in events `mitigation.counters`.
        """
        found = request_for(membership_of(request, slug), request_id)
        rows = queries.alerts_of(found)
        return page_of(rows, AlertShown, LatestAlertFirst(), request, self)


class RejectedAlertsView(APIView):
    @extend_schema(
        operation_id="list_rejected_alerts",
        responses=page_schema(RejectedShown),
        parameters=[CURSOR, LIMIT],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Payloads with records that the portal could not read, the latest first."""
        membership = membership_of(request, slug)
        rows = queries.rejected(membership.organization)
        return page_of(rows, RejectedShown, LatestReceivedFirst(), request, self)


class ReplayView(APIView):
    @extend_schema(operation_id="replay_rejected_alerts", request=None, responses={202: None})
    def post(self, request: Request, slug: str, payload_id: UUID) -> Response:
        """Map a rejected payload again, with the current settings of its endpoint."""
        membership = membership_of(request, slug, Role.OPERATOR)
        payload = queries.rejected_for(membership.organization, payload_id)
        replay(payload=payload, actor=actor_of(request))
        return Response(status=202)
