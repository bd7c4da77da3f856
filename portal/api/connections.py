"""`providers` and changes of `subscriptions`: connect, renew, order, test and disconnect."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.accounts.actors import Actor
from portal.api.authentication import actor_of, membership_of
from portal.api.fields import ApiSerializer, Identifier, StrictSerializer, Text, WholeNumber, YesNo
from portal.api.members import admin_of
from portal.api.pagination import ByPriority, page_of
from portal.api.schema import CURSOR, LIMIT, page_schema
from portal.api.subscriptions import SubscriptionShown
from portal.connections import services, uploads
from portal.connections.models import ConnectionTest
from portal.connections.queries import last_test, result_of
from portal.connections.steps import ConnectionResult, ConnectionStep, StepFailure
from portal.core.errors import Conflict, Invalid, NotFound
from portal.organizations.models import Organization
from portal.providers import queries
from portal.providers.models import ClientKey, Provider, Subscription
from portal.wording.connection_tests import found, headline
from portal.wording.from_rows.connections import probe_facts

MAX_BASE64 = uploads.MAX_FILE_BYTES * 4 // 3 + 4


class UploadedIdentity(StrictSerializer):
    """A PEM chain with its key, a PKCS#12 file, or a chain alone for the key made here."""

    certificate_chain = Text(max_length=uploads.MAX_FILE_BYTES, required=False)
    private_key = Text(max_length=uploads.MAX_FILE_BYTES, required=False)
    pkcs12 = Text(max_length=MAX_BASE64, required=False)
    password = Text(max_length=uploads.MAX_PASSWORD_LENGTH, required=False, allow_blank=True)


class NewSubscription(UploadedIdentity):
    """The provider too."""

    provider = Identifier()


class SubscriptionChanges(StrictSerializer):
    enabled = YesNo(required=False)
    priority = WholeNumber(required=False, at_least=1)


class KeyShown(ApiSerializer[ClientKey]):
    made_at = serializers.DateTimeField()
    signing_request = serializers.CharField(
        help_text="The CSR in PEM; empty: the key came with its certificate."
    )
    signed = serializers.BooleanField(
        source="is_signed", help_text="Whether its certificate waits to be used."
    )


class KnownProviderShown(ApiSerializer[Provider]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    short_name = serializers.CharField()
    phone = serializers.CharField()


class KnownProvidersShown(ApiSerializer[dict[str, list[Provider]]]):
    results = KnownProviderShown(many=True)


class ShownStepCertificate(ApiSerializer[Any]):
    name = serializers.CharField()
    begins = serializers.DateTimeField()
    ends = serializers.DateTimeField()


class StepShown(ApiSerializer[ConnectionStep]):
    step = serializers.CharField()
    transport = serializers.CharField(help_text="`dtls` or `tls`; empty: for both.")
    state = serializers.CharField()
    failure = serializers.ChoiceField(choices=[one.value for one in StepFailure], allow_null=True)
    because = serializers.SerializerMethodField()
    detail = serializers.CharField()
    addresses = serializers.ListField(child=serializers.CharField())
    peer = serializers.CharField()
    version = serializers.CharField()
    cipher = serializers.CharField()
    took_ms = serializers.IntegerField(allow_null=True)
    names = serializers.ListField(child=serializers.CharField())
    chain = ShownStepCertificate(many=True)
    heartbeat_s = serializers.IntegerField(allow_null=True)

    def get_because(self, step: ConnectionStep) -> str:
        """What it found, or why it failed and what to do."""
        return found(step)


class ConnectionTestShown(ApiSerializer[ConnectionTest]):
    id = serializers.UUIDField()
    asked_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    new_certificate = serializers.BooleanField(source="is_of_new_key")
    result = serializers.SerializerMethodField()
    because = serializers.SerializerMethodField()
    steps = StepShown(many=True)

    @extend_schema_field(
        serializers.ChoiceField(choices=[one.value for one in ConnectionResult], allow_null=True)
    )
    def get_result(self, test: ConnectionTest) -> str | None:
        """Null while it runs."""
        return result_of(test, self.now) or None

    def get_because(self, test: ConnectionTest) -> str:
        """The result and its age."""
        return headline(probe_facts(test, self.now), self.now)

    @property
    def now(self) -> datetime:
        return timezone.now()


class ProvidersView(APIView):
    @extend_schema(operation_id="list_providers", responses=KnownProvidersShown)
    def get(self, request: Request, slug: str) -> Response:
        """The providers that the portal knows, by name. Any of them can be connected."""
        membership_of(request, slug)
        return Response(KnownProvidersShown({"results": list(Provider.objects.all())}).data)


class KeyView(APIView):
    @extend_schema(operation_id="read_client_key", responses=KeyShown)
    def get(self, request: Request, slug: str, provider_id: UUID) -> Response:
        """The key that waits for its certificate, or to be used. 404 if there is none. No call
        returns the private key.
        """
        membership = membership_of(request, slug)
        provider = services.provider_for(membership.organization, provider_id)
        waiting = services.waiting_key(membership.organization, provider)
        if waiting is None:
            raise NotFound
        return Response(KeyShown(waiting).data)

    @extend_schema(operation_id="make_client_key", request=None, responses={201: KeyShown})
    def post(self, request: Request, slug: str, provider_id: UUID) -> Response:
        """Make a key with a request to sign (CSR). It replaces one that waits; the one in use
        stays. Needs a fresh second factor.
        """
        organization = admin_of(request, slug).organization
        made = services.make_key(
            organization=organization,
            provider=services.provider_for(organization, provider_id),
            actor=actor_of(request),
        )
        return Response(KeyShown(made).data, status=201)

    @extend_schema(operation_id="discard_client_key", responses={204: None})
    def delete(self, request: Request, slug: str, provider_id: UUID) -> Response:
        """Forget the key that waits. Needs a fresh second factor."""
        organization = admin_of(request, slug).organization
        services.discard_key(
            organization=organization,
            provider=services.provider_for(organization, provider_id),
            actor=actor_of(request),
        )
        return Response(status=204)


class SubscriptionsView(APIView):
    @extend_schema(
        operation_id="list_subscriptions",
        responses=page_schema(SubscriptionShown),
        parameters=[CURSOR, LIMIT],
    )
    def get(self, request: Request, slug: str) -> Response:
        """The providers in the order the portal asks them, with the state of each connection."""
        membership = membership_of(request, slug)
        return page_of(
            queries.connected(membership.organization).select_related("inventory"),
            SubscriptionShown,
            ByPriority(),
            request,
            self,
        )

    @extend_schema(
        operation_id="connect_provider",
        request=NewSubscription,
        responses={201: SubscriptionShown},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Connect a provider, with a PEM chain and key, a PKCS#12 file in base64, or the chain that
        the provider signed for the key made here. 409 `already-connected` if it is connected. Needs
        a fresh second factor.
        """
        organization = admin_of(request, slug).organization
        form = NewSubscription.of(request)
        wanted = form.validated_data
        provider = Provider.objects.filter(pk=wanted["provider"]).first()
        if provider is None:
            message = "The portal does not know this provider."
            raise Invalid.at("provider", "no-such-provider", message)
        if queries.connected(organization).filter(provider=provider).exists():
            raise Conflict(
                f"{provider.name} is connected. Renew its certificate instead.",
                code="already-connected",
            )
        own = add_uploaded(organization, provider, wanted, actor_of(request))
        return Response(_shown(organization, own.pk), status=201)


class SubscriptionView(APIView):
    @extend_schema(
        operation_id="change_subscription",
        request=SubscriptionChanges,
        responses=SubscriptionShown,
    )
    def patch(self, request: Request, slug: str, subscription_id: UUID) -> Response:
        """Whether new requests ask the provider, and its place in the order, from 1: those between
        move by one. Needs a fresh second factor.
        """
        organization = admin_of(request, slug).organization
        own = services.subscription_for(organization, subscription_id)
        form = SubscriptionChanges.of(request)
        wanted, actor = form.validated_data, actor_of(request)
        if "enabled" in wanted:
            services.set_asked(subscription=own, is_asked=wanted["enabled"], actor=actor)
        if "priority" in wanted:
            services.place(subscription=own, at=wanted["priority"], actor=actor)
        return Response(_shown(organization, subscription_id))

    @extend_schema(operation_id="disconnect_provider", responses={204: None})
    def delete(self, request: Request, slug: str, subscription_id: UUID) -> Response:
        """Disconnect the provider: the portal forgets the key and the certificate. 409
        `provider-in-use` while it holds a mitigation. Needs a fresh second factor.
        """
        organization = admin_of(request, slug).organization
        own = services.subscription_for(organization, subscription_id)
        services.disconnect(subscription=own, actor=actor_of(request))
        return Response(status=204)


class CertificateView(APIView):
    @extend_schema(
        operation_id="renew_certificate",
        request=UploadedIdentity,
        responses={202: ConnectionTestShown},
    )
    def post(self, request: Request, slug: str, subscription_id: UUID) -> Response:
        """A new certificate beside the one in use. It is tested, and used once the test has passed.
        Needs a fresh second factor.
        """
        organization = admin_of(request, slug).organization
        own = services.subscription_for(organization, subscription_id)
        form = UploadedIdentity.of(request)
        actor = actor_of(request)
        add_uploaded(organization, own.provider, form.validated_data, actor)
        return Response(
            ConnectionTestShown(services.ask_test(subscription=own, actor=actor)).data, status=202
        )


class UseView(APIView):
    @extend_schema(operation_id="use_certificate", request=None, responses=SubscriptionShown)
    def post(self, request: Request, slug: str, subscription_id: UUID) -> Response:
        """Use the certificate that waits without a passed test. Needs a fresh second factor."""
        organization = admin_of(request, slug).organization
        own = services.subscription_for(organization, subscription_id)
        services.switch_identity(subscription=own, key_id=None, actor=actor_of(request))
        return Response(_shown(organization, subscription_id))


class ConnectionTestView(APIView):
    @extend_schema(operation_id="read_connection_test", responses=ConnectionTestShown)
    def get(self, request: Request, slug: str, subscription_id: UUID) -> Response:
        """The last test, which may still run. 404 if there was none."""
        membership = membership_of(request, slug)
        test = last_test(services.subscription_for(membership.organization, subscription_id))
        if test is None:
            raise NotFound("This connection was not tested yet.")
        return Response(ConnectionTestShown(test).data)

    @extend_schema(
        operation_id="test_connection", request=None, responses={202: ConnectionTestShown}
    )
    def post(self, request: Request, slug: str, subscription_id: UUID) -> Response:
        """Test the connection, with the certificate that waits if there is one. The answer returns
        before the test has ended: read it again. While one runs, it is returned instead of a second
        one. Needs a fresh second factor.
        """
        organization = admin_of(request, slug).organization
        own = services.subscription_for(organization, subscription_id)
        test = services.ask_test(subscription=own, actor=actor_of(request))
        return Response(ConnectionTestShown(test).data, status=202)


def add_uploaded(
    organization: Organization, provider: Provider, sent: Mapping[str, str], actor: Actor
) -> Subscription:
    """Take the key and certificate of a body."""
    if "certificate_chain" in sent and "private_key" not in sent and "pkcs12" not in sent:
        return services.add_certificate(
            organization=organization,
            provider=provider,
            certificate=uploads.checked_certificate(sent["certificate_chain"].encode()),
            actor=actor,
        )
    if "pkcs12" in sent:
        identity = uploads.from_pkcs12(_bytes_of(sent["pkcs12"]), sent.get("password", ""))
    else:
        identity = uploads.from_pem(
            sent.get("certificate_chain", "").encode(), sent.get("private_key", "").encode()
        )
    return services.add_identity(
        organization=organization, provider=provider, identity=identity, actor=actor
    )


def _bytes_of(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (NotBase64, ValueError) as error:
        message = "Send the file in base64."
        raise Invalid.at("pkcs12", "not-base64", message) from error


def _shown(organization: Organization, subscription_id: UUID) -> Any:
    own = queries.connected(organization).select_related("inventory").get(pk=subscription_id)
    return SubscriptionShown(own).data
