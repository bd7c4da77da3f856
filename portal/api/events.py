"""`organizations/{slug}/events`: the events after a given number."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.authentication import membership_of
from portal.api.fields import ApiSerializer
from portal.api.schema import page_schema
from portal.core.errors import Invalid
from portal.core.numbers import whole_number
from portal.events import queries
from portal.events.models import EventType

EVENTS_PER_PAGE: Final = 200


class EventShown(ApiSerializer[Any]):
    seq = serializers.IntegerField()
    thinned = serializers.IntegerField(
        required=False,
        help_text=("The number of counter reports directly before seq that have been deleted."),
    )
    at = serializers.DateTimeField()
    type = serializers.ChoiceField(choices=EventType.choices)
    request = serializers.UUIDField(allow_null=True)
    mitigation = serializers.UUIDField(allow_null=True)
    data = serializers.DictField()  # type: ignore[assignment]  # a field called data, as the contract has it


class EventsView(APIView):
    @extend_schema(
        operation_id="list_events",
        parameters=[
            OpenApiParameter(
                "after",
                {"type": "integer", "minimum": 0, "maximum": queries.MAX_SEQ, "default": 0},
                description="The seq of the last event you have.",
            )
        ],
        responses=page_schema(EventShown),
    )
    def get(self, request: Request, slug: str) -> Response:
        """The organization's events, oldest first, without gaps except where `thinned` says so.

        The same objects arrive live over a WebSocket,
        `/ws/organizations/{slug}/events?after=<seq>`: first the events after that number, then new
        ones as they happen. A quiet socket sends a frame of type `heartbeat` at least every 5 s. It
        has every key of an event, repeats the last `seq` and means that nothing happened after it
        until `at`. It is never in this list. After 12 s without a frame the connection is lost,
        whatever the network says.
        """
        membership = membership_of(request, slug)
        found = queries.events_after(
            membership.organization_id, after_of(request), limit=EVENTS_PER_PAGE + 1
        )
        page = found[:EVENTS_PER_PAGE]
        more = len(found) > len(page)
        next_page = (
            request.build_absolute_uri(f"{request.path}?after={page[-1].seq}") if more else None
        )
        results = [event.as_message() for event in page]
        return Response({"next": next_page, "previous": None, "results": results})


def after_of(request: Request) -> int:
    seq = whole_number(request.query_params.get("after", "0"), at_most=queries.MAX_SEQ)
    if seq is not None:
        return seq
    message = "after must be an event number: a whole number, 0 or higher."
    raise Invalid.at("after", "not-a-number", message)
