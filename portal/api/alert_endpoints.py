"""`organizations/{slug}/alert-endpoints`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.alerts import queries
from portal.alerts.endpoint_policy import MAX_PREFIXES, RANGES, AutomaticMode, EndpointPolicy
from portal.alerts.endpoint_settings import MAX_HOSTS, MAX_NOTICES
from portal.alerts.mapping import AlertSource
from portal.alerts.models import (
    AUTOMATIC_MODES,
    MAX_HEADER_LENGTH,
    MAX_KEY_ID_LENGTH,
    MAX_POLL_URL_LENGTH,
    POLL_PROBLEMS,
    SOURCES,
    AlertEndpoint,
    AlertPoll,
)
from portal.alerts.services import endpoints as services
from portal.alerts.services.poll import alert_network
from portal.alerts.services.poll_settings import MAX_POLL_SECRET_LENGTH, PollWish
from portal.alerts.services.send_test import send_test
from portal.alerts.services.try_poll import PollTest, try_poll
from portal.api.alert_receipt import Receipt
from portal.api.authentication import actor_of, membership_of
from portal.api.fields import (
    ApiSerializer,
    Choice,
    Identifier,
    Several,
    StrictSerializer,
    Text,
    WholeNumber,
    YesNo,
)
from portal.api.members import admin_of
from portal.core.errors import Invalid
from portal.core.targets import IPNetwork, TargetError, read
from portal.core.wording.targets import field_error
from portal.organizations.models import MAX_INTEGRATION_NAME_LENGTH, Role

MAX_HOST_LENGTH = 255


class HostChange(StrictSerializer):
    host = Text(max_length=MAX_HOST_LENGTH)
    resource = Identifier()


class PollChange(StrictSerializer):
    url = Text(
        max_length=MAX_POLL_URL_LENGTH,
        required=False,
        help_text="The address of Sightline, such as `https://sightline.example`. With another "
        "one, give the secret again.",
    )
    key_id = Text(
        max_length=MAX_KEY_ID_LENGTH,
        required=False,
        help_text="The access key ID of AWS. With another one, give the secret again.",
    )
    secret = Text(
        max_length=MAX_POLL_SECRET_LENGTH,
        required=False,
        write_only=True,
        help_text="The API token of Sightline, or the secret access key of AWS. Never shown again.",
    )


class EndpointChanges(StrictSerializer):
    name = Text(max_length=MAX_INTEGRATION_NAME_LENGTH, required=False)
    enabled = YesNo(required=False)
    default_resource = Identifier(required=False, allow_null=True)
    hosts = Several(child=HostChange(), limit=MAX_HOSTS, required=False)
    notices = Several(child=Text(max_length=100), limit=MAX_NOTICES, required=False)
    signature_header = Text(max_length=MAX_HEADER_LENGTH, required=False, allow_blank=True)
    timestamp_header = Text(max_length=MAX_HEADER_LENGTH, required=False, allow_blank=True)
    poll = PollChange(
        required=False, help_text="How the portal asks the detector: `sightline` and `aws-shield`."
    )


class NewEndpoint(EndpointChanges):
    name = Text(max_length=MAX_INTEGRATION_NAME_LENGTH)
    source = Choice([one.value for one in AlertSource])  # type: ignore[assignment]  # a field


class HostShown(ApiSerializer[Any]):
    host = serializers.CharField()
    resource = serializers.UUIDField()


class PollShown(ApiSerializer[AlertPoll]):
    url = serializers.CharField(help_text="Empty: the source has only one address.")
    key_id = serializers.CharField()
    last_poll_at = serializers.DateTimeField(allow_null=True)
    last_success_at = serializers.DateTimeField(allow_null=True)
    next_poll_at = serializers.DateTimeField(source="due_at")
    failures = serializers.IntegerField(help_text="Polls since the last one that succeeded.")
    problem = serializers.ChoiceField(
        choices=POLL_PROBLEMS, allow_blank=True, help_text="Why the last poll failed."
    )
    detail = serializers.CharField(help_text="More about the problem, for people who know HTTP.")


class PollTestShown(ApiSerializer[PollTest]):
    url = serializers.CharField(help_text="The address that was called.")
    status = serializers.IntegerField(
        allow_null=True, help_text="The status of the answer in HTTP; null: there was no answer."
    )
    problem = serializers.ChoiceField(
        choices=POLL_PROBLEMS, allow_null=True, help_text="Null: polls will work."
    )
    detail = serializers.CharField()
    text = serializers.CharField(help_text="The beginning of the answer.")


class EndpointShown(ApiSerializer[AlertEndpoint]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    source = serializers.ChoiceField(choices=SOURCES)  # type: ignore[assignment]  # a field
    enabled = serializers.BooleanField(source="is_enabled")
    default_resource = serializers.UUIDField(source="default_resource_id", allow_null=True)
    hosts = HostShown(many=True)
    notices = serializers.ListField(child=serializers.CharField())
    signature_header = serializers.CharField()
    timestamp_header = serializers.CharField()
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    poll = PollShown(
        source="polled", allow_null=True, help_text="Null: the detector calls the portal."
    )
    previous_secret_until = serializers.DateTimeField(source="previous_until", allow_null=True)
    over_limit = serializers.IntegerField(
        help_text="Records that were counted and not saved, because too many came."
    )
    unreadable = serializers.IntegerField(help_text="Calls whose payload could not be read.")


class EndpointPolicyShown(ApiSerializer[EndpointPolicy]):
    mode = serializers.ChoiceField(choices=AUTOMATIC_MODES)
    min_severity = serializers.IntegerField()
    prefixes = serializers.SerializerMethodField(help_text="Empty: all verified resources.")
    largest_v4 = serializers.IntegerField(help_text="The length of the largest prefix.")
    largest_v6 = serializers.IntegerField()
    from_hour = serializers.IntegerField(help_text="UTC.")
    to_hour = serializers.IntegerField()
    max_per_hour = serializers.IntegerField()
    hold_down_s = serializers.IntegerField(help_text="Seconds after the reported end.")
    terminates = serializers.BooleanField(
        help_text="Whether the portal also terminates what it requested without a person."
    )

    def get_prefixes(self, policy: EndpointPolicy) -> list[str]:
        return list(map(str, policy.prefixes))


def _ranged(name: str) -> WholeNumber:
    least, most = RANGES[name]
    return WholeNumber(at_least=least, at_most=most)


class NewEndpointPolicy(StrictSerializer):
    mode = Choice([one.value for one in AutomaticMode])
    min_severity = _ranged("min_severity")
    prefixes = Several(child=Text(max_length=50), limit=MAX_PREFIXES)
    largest_v4 = _ranged("largest_v4")
    largest_v6 = _ranged("largest_v6")
    from_hour = _ranged("from_hour")
    to_hour = _ranged("to_hour")
    max_per_hour = _ranged("max_per_hour")
    hold_down_s = _ranged("hold_down_s")
    terminates = YesNo()


class EndpointsShown(ApiSerializer[Any]):
    results = EndpointShown(many=True)


class EndpointWithSecret(EndpointShown):
    secret = serializers.CharField(
        help_text="Shown in this answer only. Empty: the portal polls, and no one may call."
    )


class AlertEndpointsView(APIView):
    @extend_schema(operation_id="list_alert_endpoints", responses=EndpointsShown)
    def get(self, request: Request, slug: str) -> Response:
        """Where detectors of the organization send their alerts, by name. Admins only."""
        membership = membership_of(request, slug, Role.ADMIN)
        rows = queries.endpoints(membership.organization).order_by("name")
        return Response(EndpointsShown({"results": list(rows)}).data)

    @extend_schema(
        operation_id="add_alert_endpoint",
        request=NewEndpoint,
        responses={201: EndpointWithSecret},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Add an endpoint for one detector. Needs a fresh second factor."""
        organization = admin_of(request, slug).organization
        form = NewEndpoint.of(request)
        endpoint, secret = services.add_endpoint(
            organization=organization, actor=actor_of(request), wish=_wish(form.validated_data)
        )
        return Response(_with_secret(endpoint, secret), status=201)


class AlertEndpointView(APIView):
    @extend_schema(operation_id="read_alert_endpoint", responses=EndpointShown)
    def get(self, request: Request, slug: str, endpoint_id: UUID) -> Response:
        """Admins only."""
        membership = membership_of(request, slug, Role.ADMIN)
        endpoint = queries.endpoint_for(membership.organization, endpoint_id)
        return Response(EndpointShown(endpoint).data)

    @extend_schema(
        operation_id="change_alert_endpoint", request=EndpointChanges, responses=EndpointShown
    )
    def patch(self, request: Request, slug: str, endpoint_id: UUID) -> Response:
        """Change what is given. Needs a fresh second factor."""
        endpoint = _endpoint(request, slug, endpoint_id)
        form = EndpointChanges.of(request)
        changed = services.change_endpoint(
            endpoint=endpoint, actor=actor_of(request), wish=_wish(form.validated_data)
        )
        return Response(EndpointShown(changed).data)

    @extend_schema(operation_id="remove_alert_endpoint", responses={204: None})
    def delete(self, request: Request, slug: str, endpoint_id: UUID) -> Response:
        """Remove it with its alerts. Needs a fresh second factor."""
        endpoint = _endpoint(request, slug, endpoint_id)
        services.remove_endpoint(endpoint=endpoint, actor=actor_of(request))
        return Response(status=204)


class PolicyOfEndpointView(APIView):
    @extend_schema(operation_id="read_alert_endpoint_policy", responses=EndpointPolicyShown)
    def get(self, request: Request, slug: str, endpoint_id: UUID) -> Response:
        """What the portal may do without a person because of this detector. Admins only."""
        membership = membership_of(request, slug, Role.ADMIN)
        endpoint = queries.endpoint_for(membership.organization, endpoint_id)
        return Response(EndpointPolicyShown(endpoint.policy).data)

    @extend_schema(
        operation_id="change_alert_endpoint_policy",
        request=NewEndpointPolicy,
        responses=EndpointPolicyShown,
    )
    def put(self, request: Request, slug: str, endpoint_id: UUID) -> Response:
        """Replace it. Needs a fresh second factor."""
        endpoint = _endpoint(request, slug, endpoint_id)
        form = NewEndpointPolicy.of(request)
        changed = services.change_policy(
            endpoint=endpoint, actor=actor_of(request), policy=_policy(form.validated_data)
        )
        return Response(EndpointPolicyShown(changed.policy).data)


class RotateEndpointView(APIView):
    @extend_schema(
        operation_id="rotate_alert_endpoint_secret", request=None, responses=EndpointWithSecret
    )
    def post(self, request: Request, slug: str, endpoint_id: UUID) -> Response:
        """A new secret. The current one works for 7 days more, or until you end it. Needs a fresh
        second factor.
        """
        endpoint = _endpoint(request, slug, endpoint_id)
        rotated, secret = services.rotate_secret(endpoint=endpoint, actor=actor_of(request))
        return Response(_with_secret(rotated, secret))


class EndPreviousSecretView(APIView):
    @extend_schema(operation_id="end_alert_endpoint_secret", request=None, responses=EndpointShown)
    def post(self, request: Request, slug: str, endpoint_id: UUID) -> Response:
        """The former secret stops working at once. Needs a fresh second factor."""
        endpoint = _endpoint(request, slug, endpoint_id)
        ended = services.end_previous_secret(endpoint=endpoint, actor=actor_of(request))
        return Response(EndpointShown(ended).data)


class TestEndpointView(APIView):
    @extend_schema(operation_id="test_alert_endpoint", request=None, responses={202: Receipt})
    def post(self, request: Request, slug: str, endpoint_id: UUID) -> Response:
        """Send a sample of the source through the endpoint. Its alert is marked as a test."""
        membership = membership_of(request, slug, Role.ADMIN)
        endpoint = queries.endpoint_for(membership.organization, endpoint_id)
        received = send_test(endpoint=endpoint, actor=actor_of(request))
        return Response(Receipt(received).data, status=202)


class TestPollView(APIView):
    @extend_schema(
        operation_id="test_alert_endpoint_poll", request=None, responses={200: PollTestShown}
    )
    def post(self, request: Request, slug: str, endpoint_id: UUID) -> Response:
        """Ask a polled detector now, and show what it answers. Nothing of it is saved. 409
        `not-polled` for others.
        """
        membership = membership_of(request, slug, Role.ADMIN)
        endpoint = queries.endpoint_for(membership.organization, endpoint_id)
        found = try_poll(endpoint=endpoint, actor=actor_of(request), network=alert_network())
        return Response(PollTestShown(found).data)


def _endpoint(request: Request, slug: str, endpoint_id: UUID) -> AlertEndpoint:
    return queries.endpoint_for(admin_of(request, slug).organization, endpoint_id)


def _wish(data: dict[str, Any]) -> services.EndpointWish:
    hosts = data.get("hosts")
    return services.EndpointWish(
        name=data.get("name"),
        source=AlertSource(data["source"]) if "source" in data else None,
        is_enabled=data.get("enabled"),
        default_resource=data.get("default_resource"),
        has_default_resource="default_resource" in data,
        hosts=None if hosts is None else {one["host"]: one["resource"] for one in hosts},
        notices=data.get("notices"),
        signature_header=data.get("signature_header"),
        timestamp_header=data.get("timestamp_header"),
        poll=PollWish(**data["poll"]) if "poll" in data else None,
    )


def _policy(data: dict[str, Any]) -> EndpointPolicy:
    values = {**data, "mode": AutomaticMode(data["mode"])}
    return EndpointPolicy(**{**values, "prefixes": tuple(map(_prefix, data["prefixes"]))})


def _prefix(text: str) -> IPNetwork:
    try:
        value = read(text).value
    except TargetError as error:
        found = field_error("prefixes", error)
        raise Invalid(found.message, errors=[found]) from None
    if isinstance(value, str):
        message = f"{value} is no prefix."
        raise Invalid.at("prefixes", "not-a-prefix", message)
    return value


def _with_secret(endpoint: AlertEndpoint, secret: str) -> dict[str, Any]:
    return {**EndpointShown(endpoint).data, "secret": secret}
