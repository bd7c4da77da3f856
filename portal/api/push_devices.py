"""`me/push-devices`: the browsers and phones on which the caller wants notices."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.accounts.scopes import Scope
from portal.api.authentication import caller
from portal.api.fields import ApiSerializer, StrictSerializer, Text
from portal.notifications.channels.models import MAX_DEVICE_NAME_LENGTH, PushDevice
from portal.notifications.channels.web_push import MAX_ENDPOINT_LENGTH
from portal.notifications.channels.web_push.devices import (
    DeviceFacts,
    add_device,
    devices_of,
    remove_device,
)
from portal.notifications.channels.web_push.keys import newest_public_key


class PushKeys(StrictSerializer):
    p256dh = Text(max_length=100)
    auth = Text(max_length=40)


class NewPushDevice(StrictSerializer):
    name = Text(max_length=MAX_DEVICE_NAME_LENGTH)
    endpoint = Text(max_length=MAX_ENDPOINT_LENGTH)
    keys = PushKeys()


class PushDeviceShown(ApiSerializer[PushDevice]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    last_success_at = serializers.DateTimeField(allow_null=True)


class PushDevicesShown(ApiSerializer[Any]):
    public_key = serializers.CharField(
        help_text="The applicationServerKey for a browser; empty: Web Push is not set up."
    )
    results = PushDeviceShown(many=True)


class PushDevicesView(APIView):
    reading_scope = Scope.ADMIN
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="list_my_push_devices", responses=PushDevicesShown)
    def get(self, request: Request) -> Response:
        """The caller's browsers and phones, newest first."""
        own = devices_of(caller(request))
        shown = {"public_key": newest_public_key(), "results": own}
        return Response(PushDevicesShown(shown).data)

    @extend_schema(
        operation_id="add_my_push_device",
        request=NewPushDevice,
        responses={201: PushDeviceShown},
    )
    def post(self, request: Request) -> Response:
        """Add a browser or phone. Repeat it at each start of an app: it renews the keys. Its
        notices end with the token of this call.
        """
        user = caller(request)
        form = NewPushDevice.of(request)
        sent = form.validated_data
        facts = DeviceFacts(
            name=sent["name"],
            endpoint=sent["endpoint"],
            token=user.acting_token,
            **sent["keys"],
        )
        device = add_device(user=user, facts=facts)
        return Response(PushDeviceShown(device).data, status=201)


class PushDeviceView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="remove_my_push_device", responses={204: None})
    def delete(self, request: Request, device_id: UUID) -> Response:
        """It gets no notices from now on."""
        remove_device(user=caller(request), device_id=device_id)
        return Response(status=204)
