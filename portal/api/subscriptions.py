"""A subscription as calls return it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.api.fields import ApiSerializer, SparseShown
from portal.inventory.models import Inventory
from portal.providers.models import (
    PathKind,
    PendingChange,
    Provider,
    SessionFault,
    SessionState,
    Subscription,
)
from portal.providers.wording import PARTS, no_session_because, try_failed_because


class ProviderShown(ApiSerializer[Provider]):
    name = serializers.CharField()
    short_name = serializers.CharField()
    phone = serializers.CharField()


class PendingChangeShown(SparseShown):
    changed = serializers.ListField(child=serializers.ChoiceField(choices=list(PARTS)))
    tried_at = serializers.DateTimeField(
        allow_null=True, help_text="When the portal last tried to connect with them; null: not yet."
    )
    fault = serializers.ChoiceField(
        choices=SessionFault.choices,
        required=False,
        help_text="Why that failed, where the portal itself is the reason.",
    )
    failure = serializers.SerializerMethodField(help_text="Why that failed, for people.")

    def get_failure(self, change: PendingChange) -> str:
        return try_failed_because(change)


class SessionShown(ApiSerializer[Subscription]):
    state = serializers.ChoiceField(choices=SessionState.choices, source="session_state")
    transport = serializers.SerializerMethodField()
    since = serializers.DateTimeField(source="session_since", allow_null=True)
    last_heartbeat_at = serializers.DateTimeField(source="last_heard_at", allow_null=True)
    fault = serializers.ChoiceField(
        source="session_fault",
        choices=SessionFault.choices,
        allow_blank=True,
        help_text="Why there is none, where the portal itself is the reason; else empty.",
    )
    detail = serializers.SerializerMethodField(
        help_text="The server’s address while it is up; else the reason, for people."
    )
    refusal = serializers.CharField(
        source="session_refusal",
        help_text=(
            "The code with which the provider refuses heartbeats on the present connection, such "
            "as 4.01; else empty."
        ),
    )
    redirection_ignored = serializers.CharField(
        help_text="Why a redirection by the provider was ignored: circle "
        "(back to where it came from), "
        "or "
        "inner-address "
        "(to addresses of another kind than the provider’s own, such as loopback or private "
        "ones); else empty.",
    )
    pending_change = PendingChangeShown(
        allow_null=True,
        help_text="Saved settings that the present connection does not use yet.",
    )

    def get_detail(self, subscription: Subscription) -> str:
        return no_session_because(subscription.session_fault, subscription.session_detail)

    def get_transport(self, subscription: Subscription) -> str | None:
        return subscription.session_transport or None


class LimitsShown(ApiSerializer[Provider]):
    max_lifetime = serializers.IntegerField(source="max_lifetime_s", allow_null=True)
    may_be_indefinite = serializers.BooleanField()
    max_targets = serializers.IntegerField(allow_null=True)
    max_port_ranges = serializers.IntegerField(allow_null=True)
    longest_prefix_v4 = serializers.IntegerField(allow_null=True)
    longest_prefix_v6 = serializers.IntegerField(allow_null=True)
    takes_names = serializers.BooleanField()


class PathShown(ApiSerializer[Provider]):
    kind = serializers.ChoiceField(choices=PathKind.choices, source="path_kind")
    hops = serializers.ListField(
        child=serializers.CharField(),
        help_text="The hops after the portal; the provider is the last.",
    )
    session_ends_at = serializers.CharField(
        help_text=(
            "The other end of the session. A gateway that is up says nothing about the provider."
        )
    )


class InventoryShown(ApiSerializer[Inventory]):
    asked_at = serializers.DateTimeField(
        help_text="When the portal last asked the provider what it holds."
    )
    told_at = serializers.DateTimeField(
        allow_null=True, help_text="When the provider last returned a list; null: never."
    )
    refusal = serializers.CharField(
        help_text=(
            "Why the provider returned no list last time: a response code, silence or unreadable. "
            "Empty: it returned one."
        )
    )
    not_kept = serializers.IntegerField(
        help_text="Unknown mitigations in its list beyond the limit of unknown-mitigations."
    )


class SubscriptionShown(ApiSerializer[Subscription]):
    id = serializers.UUIDField()
    provider = ProviderShown()
    priority = serializers.IntegerField()
    enabled = serializers.BooleanField()
    limited_to = serializers.ListField(
        child=serializers.CharField(),
        help_text="The prefixes this provider may protect; empty: all that the organization may.",
    )
    limits = LimitsShown(source="provider", help_text="What the provider accepts; null: not known.")
    path = PathShown(source="provider")
    session = SessionShown(source="*")
    inventory = serializers.SerializerMethodField(
        help_text=(
            "The result of asking the provider what it holds; null: the portal has not asked yet."
        )
    )

    @extend_schema_field(InventoryShown(allow_null=True))
    def get_inventory(self, subscription: Subscription) -> Any:
        inventory = getattr(subscription, "inventory", None)
        return None if inventory is None else InventoryShown(inventory).data
