"""`organizations/{slug}/resources`."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.authentication import actor_of, caller, membership_of
from portal.api.fields import ApiSerializer, Choice, StrictSerializer, Text
from portal.api.pagination import ByName, page_of
from portal.api.schema import CURSOR, IDEMPOTENCY_KEY, LIMIT, idempotency_key, page_schema
from portal.core.addresses import address_of
from portal.core.targets import MAX_TARGET_LENGTH
from portal.organizations import services
from portal.organizations.acting import name_at
from portal.organizations.models import ProtectedResource, ResourceKind, Role
from portal.ownership import queries
from portal.ownership import services as ownership
from portal.ownership.evidence import Finding
from portal.ownership.models import ResourceProof
from portal.ownership.places import PATH, places_of, value_of
from portal.ownership.states import ClaimState, ProofMethod, ProofResult
from portal.wording.claims import RESULTS, why
from portal.wording.from_rows.claims import claim_facts

STATES: Final = [(one.value, one.name) for one in ClaimState]
METHODS: Final = [(one.value, one.name) for one in ProofMethod]
PROOF_RESULTS: Final = [(one.value, one.name) for one in ProofResult]


class NewResource(StrictSerializer):
    name = Text(max_length=services.MAX_RESOURCE_NAME_LENGTH)
    kind = Choice(ResourceKind.values)
    value = Text(max_length=MAX_TARGET_LENGTH)


class ResourceChanges(StrictSerializer):
    name = Text(max_length=services.MAX_RESOURCE_NAME_LENGTH)


class ResourceShown(ApiSerializer[ProtectedResource]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=ResourceKind.choices)
    value = serializers.CharField()
    verified = serializers.BooleanField(source="is_verified")
    state = serializers.SerializerMethodField()
    because = serializers.SerializerMethodField()
    problem = serializers.CharField(
        help_text="Why the portal cannot ask any provider for it; empty if it can."
    )
    last_used_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(serializers.ChoiceField(choices=STATES))
    def get_state(self, resource: ProtectedResource) -> str:
        return queries.claim_as_read(resource).state.value

    def get_because(self, resource: ProtectedResource) -> str:
        """Why it is or is not verified, and what to do."""
        return why(claim_facts(queries.claim_as_read(resource)))


class PlacesShown(ApiSerializer[ProtectedResource]):
    value = serializers.SerializerMethodField(method_name="text_of")
    dns = serializers.SerializerMethodField()
    http = serializers.SerializerMethodField()

    def text_of(self, resource: ProtectedResource) -> str:
        """The text of the TXT record, and a line of the file."""
        return value_of(queries.claim_as_read(resource).token)

    def get_dns(self, resource: ProtectedResource) -> list[list[str]]:
        """Alternatives: a TXT record at each name of one of these lists."""
        return [list(names) for names in places_of(resource.target).dns]

    def get_http(self, resource: ProtectedResource) -> str | None:
        """The URL of the file, over HTTPS or HTTP; null for addresses."""
        host = places_of(resource.target).host
        return f"https://{host}{PATH}" if host else None


class ResourceDetails(ResourceShown):
    proof = PlacesShown(source="*")


class NewProof(StrictSerializer):
    method = Choice([one.value for one in ProofMethod])


class FindingShown(ApiSerializer[Finding]):
    place = serializers.CharField(help_text="The name or URL.")
    server = serializers.CharField()
    result = serializers.ChoiceField(choices=PROOF_RESULTS)
    detail = serializers.CharField()


class ProofShown(ApiSerializer[ResourceProof]):
    id = serializers.UUIDField()
    method = serializers.ChoiceField(choices=METHODS)
    asked_at = serializers.DateTimeField()
    asked_by = serializers.SerializerMethodField()
    ended_at = serializers.DateTimeField(allow_null=True)
    result = serializers.SerializerMethodField()
    because = serializers.SerializerMethodField()
    signed = serializers.BooleanField(
        source="is_signed",
        allow_null=True,
        help_text="Whether the portal's resolver validated the answer by DNSSEC.",
    )
    findings = FindingShown(many=True)

    def get_asked_by(self, proof: ResourceProof) -> str | None:
        """Null: the portal, which checks again each week."""
        organization_id = proof.resource.organization_id
        return name_at(proof.asked_by, organization_id, proof.asked_at) or None

    @extend_schema_field(serializers.ChoiceField(choices=PROOF_RESULTS, allow_null=True))
    def get_result(self, proof: ResourceProof) -> str | None:
        """Null while the check runs, and for staff, whose decision is the state of the resource."""
        return proof.result or None

    def get_because(self, proof: ResourceProof) -> str:
        return RESULTS[ProofResult(proof.result)] if proof.result else ""


class ProofsShown(ApiSerializer[dict[str, list[ResourceProof]]]):
    results = ProofShown(many=True)


class ResourcesView(APIView):
    @extend_schema(
        operation_id="list_resources",
        responses=page_schema(ResourceShown),
        parameters=[CURSOR, LIMIT],
    )
    def get(self, request: Request, slug: str) -> Response:
        """What the organization may request protection for, by name."""
        membership = membership_of(request, slug)
        return page_of(
            queries.resources_with_claims(membership.organization),
            ResourceShown,
            ByName(),
            request,
            self,
        )

    @extend_schema(
        operation_id="add_resource",
        request=NewResource,
        responses={201: ResourceShown},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Add a resource. It can be used once it is verified: by a proof that the portal finds, or
        by portal staff.
        """
        membership = membership_of(request, slug, Role.OPERATOR)
        form = NewResource.of(request)
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


class ResourceView(APIView):
    @extend_schema(operation_id="read_resource", responses=ResourceDetails)
    def get(self, request: Request, slug: str, resource_id: UUID) -> Response:
        """With where to publish which proof."""
        membership = membership_of(request, slug)
        resource = queries.resource_of(membership.organization, resource_id)
        ownership.claim_of(resource)
        return Response(ResourceDetails(resource).data)

    @extend_schema(operation_id="rename_resource", request=ResourceChanges, responses=ResourceShown)
    def patch(self, request: Request, slug: str, resource_id: UUID) -> Response:
        """Give it another name. Requests keep the name that they were made with."""
        membership = membership_of(request, slug, Role.OPERATOR)
        resource = queries.resource_of(membership.organization, resource_id)
        form = ResourceChanges.of(request)
        renamed = ownership.rename_resource(
            resource=resource, actor=caller(request), name=form.validated_data["name"]
        )
        return Response(ResourceShown(renamed).data)

    @extend_schema(operation_id="remove_resource", responses={204: None})
    def delete(self, request: Request, slug: str, resource_id: UUID) -> Response:
        """Remove it. 409 `resource-in-use` while a live request or a standby plan needs it."""
        membership = membership_of(request, slug, Role.ADMIN)
        resource = queries.resource_of(membership.organization, resource_id)
        ownership.remove_resource(
            resource=resource, actor=caller(request), address=address_of(request)
        )
        return Response(status=204)


class ProofsView(APIView):
    @extend_schema(operation_id="list_proofs", responses=ProofsShown)
    def get(self, request: Request, slug: str, resource_id: UUID) -> Response:
        """The last checks, newest first, with what each server said."""
        membership = membership_of(request, slug)
        resource = queries.resource_of(membership.organization, resource_id)
        return Response(ProofsShown({"results": list(queries.proofs_of(resource))}).data)

    @extend_schema(operation_id="check_resource", request=NewProof, responses={202: ProofShown})
    def post(self, request: Request, slug: str, resource_id: UUID) -> Response:
        """Look for the proof now, or ask portal staff. The answer returns before the check has
        ended: see the list. While a check runs, it is returned instead of a second one.
        """
        membership = membership_of(request, slug, Role.OPERATOR)
        resource = queries.resource_of(membership.organization, resource_id)
        form = NewProof.of(request)
        proof = ownership.ask_check(
            resource=resource,
            method=ProofMethod(form.validated_data["method"]),
            actor=caller(request),
        )
        return Response(ProofShown(proof).data, status=202)
