"""`organizations/{slug}/incidents` and `proposals`: what detectors report together, and what the
portal proposes because of it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.alerts import queries
from portal.alerts.alert import MAX_TEXT_LENGTH
from portal.alerts.models import (
    AUTOMATIC,
    AlertProposal,
    Incident,
    IncidentState,
    ProposalState,
    ProposedAct,
)
from portal.alerts.services.decide import confirm, dismiss
from portal.alerts.services.preview import preview_proposal
from portal.api.alerts import AlertPortsShown
from portal.api.authentication import actor_of, membership_of
from portal.api.fields import ApiSerializer, StrictSerializer, Text
from portal.api.pagination import NewestIncidentFirst, NewestProposalFirst, page_of
from portal.api.request_shown import RequestShown
from portal.api.requests import reread, shown_request
from portal.api.schema import CURSOR, LIMIT, page_schema
from portal.core.errors import Invalid
from portal.organizations.acting import name_at
from portal.organizations.models import Role

_DIGEST_LENGTH = 64


class IncidentShown(ApiSerializer[Incident]):
    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=IncidentState.choices)
    targets = serializers.SerializerMethodField()
    protocols = serializers.ListField(child=serializers.IntegerField())
    ports = AlertPortsShown(many=True)
    vector = serializers.CharField()
    severity = serializers.IntegerField(allow_null=True, help_text="0 to 4, the highest.")
    bps = serializers.IntegerField(allow_null=True, help_text="The most that was reported.")
    pps = serializers.IntegerField(allow_null=True)
    began_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField(help_text="When a detector last reported it.")
    ended_at = serializers.DateTimeField(allow_null=True)
    request = serializers.UUIDField(
        source="request_id", allow_null=True, help_text="The request that protects its targets."
    )

    def get_targets(self, incident: Incident) -> list[str]:
        return list(incident.targets.texts)


class ProposalShown(ApiSerializer[AlertProposal]):
    id = serializers.UUIDField()
    incident = serializers.UUIDField(source="incident_id")
    act = serializers.ChoiceField(choices=ProposedAct.choices)
    state = serializers.ChoiceField(choices=ProposalState.choices)
    targets = serializers.SerializerMethodField()
    endpoint = serializers.UUIDField(
        source="endpoint_id", allow_null=True, help_text="By whose policy `automatic` was decided."
    )
    automatic = serializers.ChoiceField(
        choices=AUTOMATIC,
        allow_blank=True,
        help_text="What the portal did without a person, or why it did not. Empty: it may not.",
    )
    refusal = serializers.CharField(help_text="For `refused`: why.")
    made_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    decided_by = serializers.SerializerMethodField()
    reason = serializers.CharField(help_text="Why a person dismissed it.")
    request = serializers.UUIDField(source="request_id", allow_null=True)

    def get_targets(self, proposal: AlertProposal) -> list[str]:
        return list(proposal.targets.texts)

    def get_decided_by(self, proposal: AlertProposal) -> str | None:
        name = name_at(proposal.decided_by, proposal.organization_id, proposal.decided_at)
        return name or None


class ProposalWithPreview(ProposalShown):
    preview = serializers.CharField(
        help_text="Of what confirming it would send now: name it when you confirm."
    )
    lines = serializers.ListField(
        child=serializers.CharField(), help_text="What it would send, as text."
    )
    problems = serializers.ListField(
        child=serializers.CharField(), help_text="Why it may not be sent."
    )


class Confirming(StrictSerializer):
    preview = Text(
        max_length=_DIGEST_LENGTH,
        allow_blank=True,
        required=False,
        help_text="`preview` of the proposal, or of the 409 `preview-changed`, as you saw it.",
    )


class Dismissing(StrictSerializer):
    reason = Text(max_length=MAX_TEXT_LENGTH)


class IncidentsView(APIView):
    @extend_schema(
        operation_id="list_incidents",
        responses=page_schema(IncidentShown),
        parameters=[CURSOR, LIMIT],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Attacks on the organization's own targets, as all detectors tell them, newest first."""
        membership = membership_of(request, slug)
        rows = queries.incidents(membership.organization)
        return page_of(rows, IncidentShown, NewestIncidentFirst(), request, self)


class ProposalsView(APIView):
    @extend_schema(
        operation_id="list_proposals",
        responses=page_schema(ProposalShown),
        parameters=[CURSOR, LIMIT],
    )
    def get(self, request: Request, slug: str) -> Response:
        """What the portal proposed because of incidents, newest first."""
        membership = membership_of(request, slug)
        rows = queries.proposals(membership.organization)
        return page_of(rows, ProposalShown, NewestProposalFirst(), request, self)


class ProposalView(APIView):
    @extend_schema(operation_id="read_proposal", responses=ProposalWithPreview)
    def get(self, request: Request, slug: str, proposal_id: UUID) -> Response:
        """One proposal, and what confirming it would send now."""
        membership = membership_of(request, slug)
        found = queries.proposal_for(membership.organization, proposal_id)
        return Response({**ProposalShown(found).data, **_previewed(found)})


class ConfirmProposalView(APIView):
    @extend_schema(
        operation_id="confirm_proposal", request=Confirming, responses={202: RequestShown}
    )
    def post(self, request: Request, slug: str, proposal_id: UUID) -> Response:
        """Submit the proposed request, or terminate the request. The policy and its approvals hold.
        The second of two calls gets the same request.
        """
        membership = membership_of(request, slug, Role.OPERATOR)
        found = queries.proposal_for(membership.organization, proposal_id)
        form = Confirming.of(request)
        seen = form.validated_data.get("preview", "")
        made = confirm(proposal=found, actor=actor_of(request), seen=seen)
        return shown_request(reread(membership.organization, made.pk), status=202)


class DismissProposalView(APIView):
    @extend_schema(operation_id="dismiss_proposal", request=Dismissing, responses=ProposalShown)
    def post(self, request: Request, slug: str, proposal_id: UUID) -> Response:
        """Nothing is sent, and the incident proposes the same targets no more."""
        membership = membership_of(request, slug, Role.OPERATOR)
        found = queries.proposal_for(membership.organization, proposal_id)
        form = Dismissing.of(request)
        dismissed = dismiss(
            proposal=found, actor=actor_of(request), reason=form.validated_data["reason"]
        )
        return Response(ProposalShown(dismissed).data)


def _previewed(proposal: AlertProposal) -> dict[str, Any]:
    """What confirming it would send now."""
    nothing: dict[str, Any] = {"preview": "", "lines": [], "problems": []}
    if proposal.state != ProposalState.OPEN or proposal.act != ProposedAct.MITIGATE:
        return nothing
    try:
        found = preview_proposal(proposal)
    except Invalid as error:
        return {**nothing, "problems": [one.message for one in error.errors] or [error.message]}
    return {**nothing, "preview": found.digest, "lines": list(found.preview.lines)}
