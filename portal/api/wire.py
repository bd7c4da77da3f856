"""`organizations/{slug}/mitigation-requests/{id}/wire`: every message about a request,
both ways.
"""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.authentication import membership_of
from portal.api.fields import ApiSerializer
from portal.api.pagination import Pages, page_of
from portal.api.schema import CURSOR, LIMIT, page_schema
from portal.core.errors import Invalid
from portal.mitigations.access import request_for
from portal.organizations.models import Role
from portal.wire import queries
from portal.wire.models import Direction, Topic, WireMessage
from portal.wire.queries import Which
from portal.wording.message_shown import as_data

MESSAGES = OpenApiParameter(
    "messages",
    str,
    enum=[which.value for which in Which],
    description="own (default): about this request; session: also "
    "what its sessions exchanged meanwhile; "
    "all: heartbeats too.",
)


@extend_schema_field({"type": ["object", "string", "null"]})
class AnyJson(serializers.JSONField):
    """The body with the names of RFC 9132; plain text if it is no such body."""


class WireMessageShown(ApiSerializer[WireMessage]):
    at = serializers.DateTimeField()
    direction = serializers.ChoiceField(choices=Direction.choices)
    provider = serializers.CharField()
    subscription = serializers.UUIDField()
    mitigation = serializers.UUIDField(allow_null=True)
    mid = serializers.IntegerField(allow_null=True)
    topic = serializers.ChoiceField(choices=Topic.choices)
    meaning = serializers.CharField(help_text="A sentence.")
    kind = serializers.CharField(help_text="CON, NON, ACK, RST; TCP where messages have no type.")
    code = serializers.CharField(help_text="Such as 0.03 or 2.01.")
    method = serializers.CharField(help_text="The request’s; a response repeats it.")
    path = serializers.CharField(help_text="The request’s; a response repeats it.")
    options = serializers.CharField(help_text="The other options, as text.")
    size = serializers.IntegerField(help_text="Size of the whole message in bytes.")
    body = AnyJson(allow_null=True)
    not_read = serializers.ListField(
        child=serializers.CharField(),
        help_text="The parts of an answer that the portal could not read and left out.",
    )
    octets = serializers.CharField(help_text="The whole message, hexadecimal.")
    is_cut = serializers.BooleanField(
        help_text="octets contains only the beginning of the message."
    )
    copy = serializers.IntegerField(help_text="Number of this copy of the same unanswered request.")
    not_kept = serializers.IntegerField(help_text="With direction not_kept: how many are missing.")

    def to_representation(self, instance: WireMessage) -> dict[str, object]:
        return dict(as_data(instance))


class NewestMessageFirst(Pages):
    ordering = ("-at", "-id")


class WireView(APIView):
    @extend_schema(
        operation_id="list_wire_messages",
        responses=page_schema(WireMessageShown),
        parameters=[MESSAGES, CURSOR, LIMIT],
    )
    def get(self, request: Request, slug: str, request_id: UUID) -> Response:
        """Every message about a request, newest first. For operators and admins."""
        membership = membership_of(request, slug, Role.OPERATOR)
        mitigation_request = request_for(membership, request_id)
        found = queries.messages(mitigation_request, _which(request))
        return page_of(found, WireMessageShown, NewestMessageFirst(), request, self)


def _which(request: Request) -> Which:
    text = request.query_params.get("messages", Which.OWN.value)
    known = {which.value: which for which in Which}
    if text not in known:
        message = f"Choose one of {', '.join(known)}."
        raise Invalid.at("messages", "not-a-choice", message)
    return known[text]
