"""`organizations/{slug}/subscriptions`."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.authentication import caller
from portal.api.pagination import ByPriority, page_of
from portal.api.schema import CURSOR, LIMIT, page_schema
from portal.organizations.access import membership_for
from portal.providers import queries
from portal.providers.models import Provider, SessionState, Subscription


class ProviderShown(serializers.Serializer[Provider]):
    name = serializers.CharField()
    short_name = serializers.CharField()
    phone = serializers.CharField()


class SessionShown(serializers.Serializer[Subscription]):
    state = serializers.ChoiceField(choices=SessionState.choices, source="session_state")
    transport = serializers.SerializerMethodField()
    since = serializers.DateTimeField(source="session_since", allow_null=True)
    last_heartbeat_at = serializers.DateTimeField(source="last_heard_at", allow_null=True)
    detail = serializers.CharField(source="session_detail")

    def get_transport(self, subscription: Subscription) -> str | None:
        return subscription.session_transport or None


class SubscriptionShown(serializers.Serializer[Subscription]):
    id = serializers.UUIDField()
    provider = ProviderShown()
    priority = serializers.IntegerField()
    enabled = serializers.BooleanField()
    session = SessionShown(source="*")


class SubscriptionsView(APIView):
    @extend_schema(
        operation_id="list_subscriptions",
        responses=page_schema(SubscriptionShown),
        parameters=[CURSOR, LIMIT],
    )
    def get(self, request: Request, slug: str) -> Response:
        """The providers in the order in which they are asked, with the state of the connection."""
        membership = membership_for(caller(request), slug)
        return page_of(
            queries.subscriptions(membership.organization),
            SubscriptionShown,
            ByPriority(),
            request,
            self,
        )
