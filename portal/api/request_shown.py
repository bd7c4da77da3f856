"""A request as the API shows it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.accounts.actors import ActorKind
from portal.api.fields import ApiSerializer
from portal.api.mitigation_shown import MitigationShown, PortsShown, ScopeShown, who_at
from portal.core.json_value import write_json
from portal.mitigations.models import (
    ApprovalOutcome,
    EndedBy,
    MitigationRequest,
    RequestApproval,
    RequestKind,
    Strategy,
)
from portal.mitigations.responsible import responsible_for
from portal.mitigations.states import RequestStatus
from portal.organizations.models import Approval


class TargetsShown(ScopeShown):
    resources = serializers.ListField(child=serializers.UUIDField())


class ApprovalShown(ApiSerializer[RequestApproval]):
    cause = serializers.ChoiceField(
        choices=Approval.choices, help_text="The rule of the policy that asked for it."
    )
    larger_than = serializers.IntegerField(
        allow_null=True, help_text="For larger: the length of the prefixes that need no approval."
    )
    asked_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(help_text="Without a decision, it expires unsent.")
    told = serializers.ListField(
        child=serializers.CharField(), help_text="Who got a mail, by user name."
    )
    preview = serializers.CharField(
        source="digest", help_text="Of what would be sent: name it when you approve."
    )
    lines = serializers.ListField(
        child=serializers.CharField(), source="preview.lines", help_text="What would be sent."
    )
    outcome = serializers.ChoiceField(choices=ApprovalOutcome.choices)
    decided_at = serializers.DateTimeField(allow_null=True)
    decided_by = serializers.SerializerMethodField()
    reason = serializers.CharField(
        help_text="Why it was declined, or sent without approval; otherwise empty."
    )

    def get_decided_by(self, approval: RequestApproval) -> str | None:
        return who_at(approval, approval.decided_by, approval.decided_at)


class RequestShown(ApiSerializer[MitigationRequest]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=RequestKind.choices)
    status = serializers.ChoiceField(choices=RequestStatus.choices)
    targets = serializers.SerializerMethodField()
    ports = PortsShown(many=True)
    protocols = serializers.ListField(child=serializers.IntegerField())
    lifetime = serializers.IntegerField(source="lifetime_s")
    auto_renew = serializers.BooleanField()
    strategy = serializers.ChoiceField(choices=Strategy.choices)
    subscriptions = serializers.ListField(child=serializers.UUIDField())
    reason = serializers.CharField()
    replaces = serializers.ListField(
        child=serializers.UUIDField(), help_text="The live requests it was allowed to replace."
    )
    created_at = serializers.DateTimeField()
    created_by = serializers.SerializerMethodField(
        help_text="The name of the person, or of a service token such as token ‘monitoring’; null "
        "for other sources. With the origin staff: a member of the portal's staff, and the "
        "organization that this person acted for."
    )
    origin = serializers.ChoiceField(
        choices=ActorKind.choices, help_text="Who or what asked for it."
    )
    terminate_requested_at = serializers.DateTimeField(source="terminate_asked_at", allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    ended_by = serializers.ChoiceField(
        choices=EndedBy.choices,
        allow_blank=True,
        help_text=(
            "Why it is over. lifetime, newer_request and provider: no person ended it; "
            "a person should acknowledge it."
        ),
    )
    filtering_ended_at = serializers.DateTimeField(
        allow_null=True,
        help_text="For a plan: when the last provider that filtered for "
        "it stopped without being asked to; "
        "a person should acknowledge it."
        " Null again once a provider filters for it.",
    )
    acknowledged_at = serializers.DateTimeField(
        allow_null=True, help_text="Null again with every new end of the filtering for a plan."
    )
    acknowledged_by = serializers.SerializerMethodField(
        help_text="The person who acknowledged that it ended."
    )
    responsible = serializers.SerializerMethodField(
        help_text="The person who took it over last; null until someone does, and once that "
        "person is no member any more."
    )
    responsible_left = serializers.SerializerMethodField(
        help_text="The person who took it over last and is no member any more; null: none."
    )
    responsible_since = serializers.DateTimeField(
        allow_null=True, help_text="When the one or the other took it over."
    )
    approval = serializers.SerializerMethodField(
        help_text="The approval it needs or needed; null: none."
    )
    mitigations = MitigationShown(many=True)

    @extend_schema_field(ApprovalShown(allow_null=True))
    def get_approval(self, request: MitigationRequest) -> Any:
        approval = request.approval_row if request.is_immediate else None
        return None if approval is None else ApprovalShown(approval).data

    def get_created_by(self, request: MitigationRequest) -> str | None:
        if request.origin == ActorKind.SERVICE_TOKEN:
            return f"token ‘{request.origin_name}’"
        return request.requester.name if request.created_by else None

    def get_acknowledged_by(self, request: MitigationRequest) -> str | None:
        return who_at(request, request.acknowledged_by, request.acknowledged_at)

    def get_responsible(self, request: MitigationRequest) -> str | None:
        return responsible_for(request).now or None

    def get_responsible_left(self, request: MitigationRequest) -> str | None:
        found = responsible_for(request)
        return found.name if found.has_left else None

    @extend_schema_field(TargetsShown)
    def get_targets(self, request: MitigationRequest) -> dict[str, list[str]]:
        return {
            **write_json(request.asked),
            # One order for every answer, whichever statement read them.
            "resources": sorted(str(resource.pk) for resource in request.resources.all()),
        }
