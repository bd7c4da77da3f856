"""`alerts/{endpoint}`: the door of detectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from portal.alerts.secret import MAX_SECRET_LENGTH, DetectorCall
from portal.alerts.services.receive import Received, receive
from portal.api.fields import ApiSerializer
from portal.api.parsers import bounded
from portal.core.addresses import address_of


class Bytes(BaseParser):
    """The body as it is, of any type: detectors name many."""

    media_type = "*/*"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return bounded(stream)


class RejectedRecord(ApiSerializer[Any]):
    index = serializers.IntegerField()
    code = serializers.CharField()


class Receipt(ApiSerializer[Received]):
    accepted = serializers.IntegerField(help_text="Records that were saved, to be mapped next.")
    over_limit = serializers.IntegerField(
        help_text="Records that were only counted, because too many came."
    )
    repeated = serializers.SerializerMethodField(
        help_text="Null: known once the records are mapped; see the list of alerts."
    )
    not_ours = serializers.SerializerMethodField(help_text="Null, as `repeated`.")
    rejected = serializers.SerializerMethodField(
        help_text="Null, as `repeated`; see the list of rejected payloads."
    )

    def get_repeated(self, _received: Received) -> int | None:
        return None

    def get_not_ours(self, _received: Received) -> int | None:
        return None

    @extend_schema_field(RejectedRecord(many=True, allow_null=True))
    def get_rejected(self, _received: Received) -> list[dict[str, Any]] | None:
        return None


class ReceiveAlertsView(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]
    parser_classes = [Bytes]
    # Each endpoint has its own limit, and wrong secrets have one.
    throttle_classes: list[type[BaseThrottle]] = []

    @extend_schema(
        operation_id="receive_alerts",
        auth=[],
        parameters=[
            OpenApiParameter(
                "key",
                {"type": "string", "maxLength": MAX_SECRET_LENGTH},
                description="The endpoint's secret, for detectors that send it in no other way: "
                "as a bearer token, as the password of basic authentication, in X-Alert-Key or in "
                "cf-webhook-auth.",
            )
        ],
        request={"application/json": OpenApiTypes.ANY, "text/plain": OpenApiTypes.STR},
        responses={202: Receipt},
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """What a detector sends, as it sends it: JSON, an array, NDJSON or lines of a log, with or
        without gzip, at most 256 KiB and 500 records.
        """
        body = request.data if isinstance(request.data, bytes) else b""
        call = DetectorCall(
            body=body,
            headers={name.lower(): value for name, value in request.headers.items()},
            key=request.query_params.get("key", ""),
        )
        received = receive(
            endpoint_id=endpoint_id, call=call, address=address_of(request), now=timezone.now()
        )
        return Response(Receipt(received).data, status=202)

    @extend_schema(exclude=True)
    def put(self, request: Request, endpoint_id: UUID) -> Response:
        """Grafana can be set to PUT."""
        return self.post(request, endpoint_id)
