"""`organizations/{slug}/resources`."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.authentication import actor_of, caller
from portal.api.fields import ApiSerializer, Choice, StrictSerializer, Text
from portal.api.pagination import ByName, page_of
from portal.api.schema import CURSOR, IDEMPOTENCY_KEY, LIMIT, idempotency_key, page_schema
from portal.core.targets import MAX_TARGET_LENGTH
from portal.organizations import queries, services
from portal.organizations.access import membership_for
from portal.organizations.models import ProtectedResource, ResourceKind, Role


class NewResource(StrictSerializer):
    name = Text(max_length=services.MAX_RESOURCE_NAME_LENGTH)
    kind = Choice(ResourceKind.values)
    value = Text(max_length=MAX_TARGET_LENGTH)


class ResourceShown(ApiSerializer[ProtectedResource]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=ResourceKind.choices)
    value = serializers.CharField()
    verified = serializers.BooleanField(source="is_verified")
    problem = serializers.CharField(
        help_text="Why the portal cannot ask any provider for it; empty if it can."
    )
    last_used_at = serializers.DateTimeField(allow_null=True)


class ResourcesView(APIView):
    @extend_schema(
        operation_id="list_resources",
        responses=page_schema(ResourceShown),
        parameters=[CURSOR, LIMIT],
    )
    def get(self, request: Request, slug: str) -> Response:
        """What the organization may request protection for, by name."""
        membership = membership_for(caller(request), slug)
        return page_of(
            queries.resources(membership.organization), ResourceShown, ByName(), request, self
        )

    @extend_schema(
        operation_id="add_resource",
        request=NewResource,
        responses={201: ResourceShown},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Add a resource. It can be used once portal staff have verified it."""
        membership = membership_for(caller(request), slug, Role.OPERATOR)
        form = NewResource(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = form.validated_data
        resource = services.add_resource(
            organization=membership.organization,
            actor=actor_of(request),
            name=wanted["name"].strip(),
            kind=ResourceKind(wanted["kind"]),
            value=wanted["value"].strip(),
            key=idempotency_key(request),
        )
        return Response(ResourceShown(resource).data, status=201)
