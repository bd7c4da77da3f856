"""`organizations/{slug}/channels`: where the notices of an organization go."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.authentication import actor_of, membership_of
from portal.api.fields import ApiSerializer, Choice, Several, StrictSerializer, Text, Texts, YesNo
from portal.api.members import admin_of
from portal.core.origins import origin_of
from portal.notifications.channels import queries
from portal.notifications.channels.models import (
    MIN_SEVERITIES,
    MIN_SEVERITY_VALUES,
    OUTCOMES,
    SEVERITIES,
    NoticeChannel,
    OffBecause,
)
from portal.notifications.channels.registry import CHANNELS
from portal.notifications.channels.sealed_values import saved_names
from portal.notifications.channels.services import change as services
from portal.notifications.channels.services.deliver import MAX_DELIVERIES
from portal.notifications.channels.services.send_test import send_test
from portal.notifications.kinds import NoticeKind
from portal.notifications.message import ReceiverAnswer
from portal.organizations.models import MAX_INTEGRATION_NAME_LENGTH, Role

MAX_VALUES: Final = 20
MAX_VALUE_LENGTH: Final = 2_000


class ChannelChanges(StrictSerializer):
    name = Text(max_length=MAX_INTEGRATION_NAME_LENGTH, required=False)
    values = Texts(
        limit=MAX_VALUES,
        max_length=MAX_VALUE_LENGTH,
        required=False,
        help_text="By the fields of the kind. An empty secret keeps the saved one.",
    )
    enabled = YesNo(required=False)
    notice_kinds = Several(
        child=Text(max_length=40),
        limit=2 * len(NoticeKind),
        required=False,
        help_text="Empty: all.",
    )
    min_severity = Choice(MIN_SEVERITY_VALUES, required=False)


class NewChannel(ChannelChanges):
    name = Text(max_length=MAX_INTEGRATION_NAME_LENGTH)
    kind = Choice(list(CHANNELS))


class ChannelShown(ApiSerializer[NoticeChannel]):
    id = serializers.UUIDField()
    kind = serializers.CharField()
    name = serializers.CharField()
    values = serializers.SerializerMethodField(help_text="Without the secrets.")
    saved_secrets = serializers.SerializerMethodField(
        help_text="The names of the secret values that are saved. Nothing shows them."
    )
    notice_kinds = serializers.ListField(
        child=serializers.CharField(), help_text="Empty: all kinds."
    )
    min_severity = serializers.ChoiceField(choices=MIN_SEVERITIES)
    enabled = serializers.BooleanField(source="is_enabled")
    off_because = serializers.ChoiceField(
        choices=OffBecause.choices, allow_blank=True, help_text="Empty while it is enabled."
    )
    previous_secret_until = serializers.DateTimeField(source="previous_until", allow_null=True)
    created_at = serializers.DateTimeField()
    last_success_at = serializers.DateTimeField(allow_null=True)
    last_failure_at = serializers.DateTimeField(allow_null=True)
    failures = serializers.IntegerField(help_text="Failed tries since the last success.")
    last_answer = serializers.CharField(help_text="How the receiver answered the newest try.")

    def get_values(self, channel: NoticeChannel) -> dict[str, str]:
        return {one.name: one.value for one in channel.values}

    def get_saved_secrets(self, channel: NoticeChannel) -> list[str]:
        return sorted(saved_names(channel))


class ChannelWithSecret(ChannelShown):
    secret = serializers.CharField(
        help_text="Made by the portal and shown in this answer only; empty for other kinds."
    )


class ChannelsShown(ApiSerializer[Any]):
    results = ChannelShown(many=True)


class ChannelAnswer(ApiSerializer[ReceiverAnswer]):
    outcome = serializers.ChoiceField(choices=OUTCOMES)
    text = serializers.CharField(help_text="The receiver's words, or the error.")
    retry_after_s = serializers.FloatField(allow_null=True)


class DeliveryShown(ApiSerializer[Any]):
    at = serializers.DateTimeField()
    message_id = serializers.UUIDField(help_text="The same at every try.")
    kind = serializers.CharField()
    severity = serializers.ChoiceField(choices=SEVERITIES)
    title = serializers.CharField()
    is_test = serializers.BooleanField()
    outcome = serializers.ChoiceField(choices=OUTCOMES)
    answer = serializers.CharField()


class DeliveriesShown(ApiSerializer[Any]):
    results = DeliveryShown(many=True)


class ChannelsView(APIView):
    @extend_schema(operation_id="list_channels", responses=ChannelsShown)
    def get(self, request: Request, slug: str) -> Response:
        """Where notices of the organization go beside its members, by name. Admins only."""
        membership = membership_of(request, slug, Role.ADMIN)
        rows = queries.channels(membership.organization).defer(None)
        return Response(ChannelsShown({"results": list(rows)}).data)

    @extend_schema(
        operation_id="add_channel", request=NewChannel, responses={201: ChannelWithSecret}
    )
    def post(self, request: Request, slug: str) -> Response:
        """Add a channel. Needs a fresh second factor."""
        organization = admin_of(request, slug).organization
        form = NewChannel.of(request)
        channel, secret = services.add_channel(
            organization=organization,
            actor=actor_of(request),
            kind=form.validated_data["kind"],
            draft=_draft(form.validated_data),
        )
        return Response(_with_secret(channel, secret), status=201)


class ChannelView(APIView):
    @extend_schema(operation_id="read_channel", responses=ChannelShown)
    def get(self, request: Request, slug: str, channel_id: UUID) -> Response:
        """Admins only."""
        membership = membership_of(request, slug, Role.ADMIN)
        channel = queries.channel_for(membership.organization, channel_id)
        return Response(ChannelShown(channel).data)

    @extend_schema(operation_id="change_channel", request=ChannelChanges, responses=ChannelShown)
    def patch(self, request: Request, slug: str, channel_id: UUID) -> Response:
        """Change what is given. Needs a fresh second factor."""
        channel = _channel(request, slug, channel_id)
        form = ChannelChanges.of(request)
        changed = services.change_channel(
            channel=channel, actor=actor_of(request), draft=_draft(form.validated_data)
        )
        return Response(ChannelShown(changed).data)

    @extend_schema(operation_id="remove_channel", responses={204: None})
    def delete(self, request: Request, slug: str, channel_id: UUID) -> Response:
        """Remove it with its secrets and deliveries. Needs a fresh second factor."""
        channel = _channel(request, slug, channel_id)
        services.remove_channel(channel=channel, actor=actor_of(request))
        return Response(status=204)


class RotateChannelView(APIView):
    @extend_schema(operation_id="rotate_channel_secret", request=None, responses=ChannelWithSecret)
    def post(self, request: Request, slug: str, channel_id: UUID) -> Response:
        """A new secret, if the portal makes it. The current one works for 7 days more, or
        until you end it. Needs a fresh second factor.
        """
        channel = _channel(request, slug, channel_id)
        rotated, secret = services.rotate_secret(channel=channel, actor=actor_of(request))
        return Response(_with_secret(rotated, secret))


class EndChannelSecretView(APIView):
    @extend_schema(operation_id="end_channel_secret", request=None, responses=ChannelShown)
    def post(self, request: Request, slug: str, channel_id: UUID) -> Response:
        """The former secret stops working at once. Needs a fresh second factor."""
        channel = _channel(request, slug, channel_id)
        ended = services.end_previous_secret(channel=channel, actor=actor_of(request))
        return Response(ChannelShown(ended).data)


class TestChannelView(APIView):
    @extend_schema(operation_id="test_channel", request=None, responses=ChannelAnswer)
    def post(self, request: Request, slug: str, channel_id: UUID) -> Response:
        """Send a real message through the channel. The answer is the receiver's."""
        membership = membership_of(request, slug, Role.ADMIN)
        channel = queries.channel_for(membership.organization, channel_id)
        path = reverse("channels:channel", args=[slug, channel_id])
        url = f"{origin_of(request)}{path}"
        answer = send_test(channel=channel, actor=actor_of(request), url=url)
        return Response(ChannelAnswer(answer).data)


class DeliveriesView(APIView):
    @extend_schema(operation_id="list_channel_deliveries", responses=DeliveriesShown)
    def get(self, request: Request, slug: str, channel_id: UUID) -> Response:
        """Every try of the channel, newest first; the portal keeps the last 200. Admins only."""
        membership = membership_of(request, slug, Role.ADMIN)
        channel = queries.channel_for(membership.organization, channel_id)
        rows = list(queries.deliveries(channel)[:MAX_DELIVERIES])
        return Response(DeliveriesShown({"results": rows}).data)


def _channel(request: Request, slug: str, channel_id: UUID) -> NoticeChannel:
    return queries.channel_for(admin_of(request, slug).organization, channel_id)


def _draft(data: dict[str, Any]) -> services.ChannelDraft:
    return services.ChannelDraft(
        name=data.get("name"),
        values=data.get("values", {}),
        is_enabled=data.get("enabled"),
        notice_kinds=data.get("notice_kinds"),
        min_severity=data.get("min_severity"),
    )


def _with_secret(channel: NoticeChannel, secret: str) -> dict[str, Any]:
    return {**ChannelShown(channel).data, "secret": secret}
