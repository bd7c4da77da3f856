"""`mitigation-requests/{id}/extend/preview`: what extending with the same body would send."""

from __future__ import annotations

from typing import Any, TypedDict
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.authentication import membership_of
from portal.api.eligibility import LeftOutBody, LeftOutShown
from portal.api.fields import ApiSerializer
from portal.api.requests import ExtensionSerializer
from portal.mitigations import queries
from portal.mitigations.access import request_for
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Role
from portal.signaling.previews.extension_messages import Extension as Found
from portal.signaling.previews.extension_messages import RefreshMessage, extension
from portal.wording.extension_text import gets_extension
from portal.wording.from_rows.extension import without_message
from portal.wording.from_rows.mitigations import request_facts


class BeforeShown(ApiSerializer[Any]):
    lifetime = serializers.IntegerField(help_text="Seconds; -1: until terminated.")
    body = serializers.DictField()


class ExtensionMessage(ApiSerializer[Any]):
    subscription = serializers.UUIDField()
    provider = serializers.CharField()
    mitigation = serializers.UUIDField()
    when = serializers.CharField(help_text="A sentence.")
    before = BeforeShown(
        allow_null=True, help_text="What was last sent to this provider; null: nothing yet."
    )
    lifetime = serializers.IntegerField(
        help_text="Seconds, within what this provider grants; -1: until terminated."
    )
    path = serializers.CharField()
    body = serializers.DictField(help_text="Uses the names of RFC 9132.")
    payload = serializers.CharField(help_text="The encoded body, hexadecimal.")
    size = serializers.IntegerField(help_text="Size of the whole message in bytes.")
    limit = serializers.IntegerField(help_text="Maximum size of one message in bytes.")


class ExtensionPreviewShown(ApiSerializer[Any]):
    lifetime = serializers.IntegerField(help_text="The lifetime asked for.")
    messages = ExtensionMessage(many=True)
    left_out = LeftOutShown(many=True, help_text="Providers that get nothing now.")


class ExtensionPreviewView(APIView):
    @extend_schema(
        operation_id="preview_extension",
        request=ExtensionSerializer,
        responses=ExtensionPreviewShown,
    )
    def post(self, request: Request, slug: str, request_id: UUID) -> Response:
        """What extending with this body would send, to which provider and when. Nothing is sent
        or saved.
        """
        membership = membership_of(request, slug, Role.OPERATOR)
        mitigation_request = request_for(membership, request_id)
        form = ExtensionSerializer.of(request)
        found = extension(mitigation_request, form.validated_data["lifetime"])
        return Response(ExtensionPreviewShown(_body(mitigation_request, found)).data)


class BeforeBody(TypedDict):
    """What was last sent."""

    lifetime: int
    body: object


class ExtensionMessageBody(TypedDict):
    """The message to one provider."""

    subscription: UUID
    provider: str
    mitigation: UUID
    when: str
    before: BeforeBody | None
    lifetime: int
    path: str
    body: object
    payload: str
    size: int
    limit: int


class ExtensionBody(TypedDict):
    """What would be sent to each provider."""

    lifetime: int
    messages: list[ExtensionMessageBody]
    left_out: list[LeftOutBody]


def _body(request: MitigationRequest, found: Found) -> ExtensionBody:
    now, organization = timezone.now(), request.organization
    by_id = {str(one.pk): one for one in queries.subscriptions(organization)}
    facts = request_facts(request, by_id, organization)
    mitigations = {mitigation.id: mitigation for mitigation in facts.started}
    silent = without_message(
        facts,
        by_id,
        with_message=[one.mitigation.subscription_id for one in found.messages],
        lifetime_s=found.lifetime_s,
        now=now,
    )
    return ExtensionBody(
        lifetime=found.lifetime_s,
        messages=[
            _message(one, when=gets_extension(mitigations[str(one.mitigation.pk)], now)[0])
            for one in found.messages
        ],
        left_out=[
            LeftOutBody(
                subscription=one.subscription.pk,
                provider=one.subscription.provider.short_name,
                reason=one.reason,
            )
            for one in silent
        ],
    )


def _message(one: RefreshMessage, *, when: str) -> ExtensionMessageBody:
    before = None
    if one.before:
        before = BeforeBody(lifetime=one.mitigation.lifetime_s, body=one.before.body)
    return ExtensionMessageBody(
        subscription=one.mitigation.subscription_id,
        provider=one.mitigation.subscription.provider.name,
        mitigation=one.mitigation.pk,
        when=when,
        before=before,
        lifetime=one.lifetime_s,
        path=one.after.path,
        body=one.after.body,
        payload=one.after.payload.hex(),
        size=one.after.size,
        limit=one.limit,
    )
