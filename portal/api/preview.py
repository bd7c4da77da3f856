"""`organizations/{slug}/mitigation-requests/preview`: what submitting the same body would send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.authentication import actor_of, membership_of
from portal.api.eligibility import LeftOutBody, LeftOutShown, left_out
from portal.api.fields import ApiSerializer
from portal.api.quota import QuotaBody, QuotaShown, quota
from portal.api.replacement import ReplacedShown, ReplacementsBody, replacements
from portal.api.requests import NewRequest
from portal.api.routes import HELP, RoutesBody, RoutesShown, routes
from portal.core.targets import Targets
from portal.mitigations.models import MitigationRequest, Strategy
from portal.mitigations.states import RequestStatus
from portal.mitigations.unknown import Unknown
from portal.organizations.models import Organization, Role
from portal.signaling.previews.preview_messages import Planned, Preview, preview
from portal.wording.preview_text import effects, gets_this


class TargetsPlanned(ApiSerializer[Any]):
    prefixes = serializers.ListField(child=serializers.CharField())
    fqdns = serializers.ListField(child=serializers.CharField())
    uris = serializers.ListField(child=serializers.CharField())


class MessagePlanned(ApiSerializer[Any]):
    subscription = serializers.UUIDField()
    provider = serializers.CharField()
    is_sent_at_once = serializers.BooleanField(
        help_text="False: only if the providers before it do not help."
    )
    when = serializers.CharField(help_text="A sentence.")
    targets = TargetsPlanned()
    lifetime = serializers.IntegerField(help_text="Seconds; -1: until terminated.")
    path = serializers.CharField(help_text="Uses the next free mid.")
    body = serializers.DictField(help_text="Uses the names of RFC 9132.")
    payload = serializers.CharField(help_text="The encoded body, hexadecimal.")
    size = serializers.IntegerField(help_text="Size of the whole message in bytes.")
    limit = serializers.IntegerField(help_text="Maximum size of one message in bytes.")


class OverlapShown(ApiSerializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=RequestStatus.choices)


class PreviewShown(ApiSerializer[Any]):
    strategy = serializers.ChoiceField(choices=Strategy.choices)
    messages = MessagePlanned(many=True)
    left_out = LeftOutShown(many=True, help_text="Providers that may protect none of this request.")
    routes = RoutesShown(many=True, help_text=HELP)
    overlaps = OverlapShown(many=True)
    replaces = ReplacedShown(many=True, help_text="What submitting this body would replace.")
    would_replace = serializers.BooleanField(
        help_text="Submitting exactly this body returns 409 `would-replace`."
    )
    quota = QuotaShown(
        allow_null=True,
        help_text="The limit that submitting this body would exceed now; null: there is room.",
    )
    effects = serializers.ListField(
        child=serializers.CharField(), help_text="What a provider may do to legitimate traffic."
    )


class PreviewView(APIView):
    @extend_schema(
        operation_id="preview_mitigation_request", request=NewRequest, responses=PreviewShown
    )
    def post(self, request: Request, slug: str) -> Response:
        """What submitting this body would send, to which provider and when. Nothing is sent or
        saved.
        """
        membership = membership_of(request, slug, Role.OPERATOR)
        form = NewRequest.of(request)
        organization = membership.organization
        found = preview(organization, form.submission())
        body = PreviewBody(
            **_planned(organization, found),
            **replacements(found.replaced, form.consent()),
            quota=quota(organization, actor_of(request), found.replaced),
        )
        return Response(PreviewShown(body).data)


class PreviewMessageBody(TypedDict):
    """The message to one provider."""

    subscription: UUID
    provider: str
    is_sent_at_once: bool
    when: str
    targets: Targets
    lifetime: int
    path: str
    body: object
    payload: str
    size: int
    limit: int


class PlannedBody(TypedDict):
    """What would be sent."""

    strategy: str
    messages: list[PreviewMessageBody]
    left_out: list[LeftOutBody]
    routes: list[RoutesBody]
    overlaps: list[MitigationRequest]
    effects: Sequence[str]


class PreviewBody(PlannedBody, ReplacementsBody):
    """And what it would replace, and which limit stands against it."""

    quota: QuotaBody | None


def _planned(organization: Organization, found: Preview) -> PlannedBody:
    checked = found.checked
    return PlannedBody(
        strategy=checked.strategy,
        messages=[_message(one, organization.patience_s) for one in found.planned],
        left_out=[left_out(one) for one in found.left_out],
        routes=routes(organization, [one.assigned for one in found.planned]),
        overlaps=[one.what for one in found.replaced if not isinstance(one.what, Unknown)],
        effects=effects(
            checked.scope,
            is_narrowed=bool(checked.ports or checked.protocols),
            names=[one.assigned.provider.name for one in found.planned],
            strategy=checked.strategy,
        ),
    )


def _message(one: Planned, patience_s: int) -> PreviewMessageBody:
    return PreviewMessageBody(
        subscription=one.subscription.pk,
        provider=one.subscription.provider.name,
        is_sent_at_once=not one.after,
        when=gets_this(one.assigned.provider.name, after=one.after, patience_s=patience_s),
        targets=one.assigned.scope,
        lifetime=one.lifetime_s,
        path=one.path,
        body=one.body,
        payload=one.octets.hex(),
        size=one.size,
        limit=one.limit,
    )
