"""`organizations/{slug}/mitigation-requests`: requests and the actions on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from portal.api.authentication import actor_of, membership_of
from portal.api.fields import (
    ApiSerializer,
    Choice,
    Identifier,
    Instant,
    Protocol,
    Several,
    StrictSerializer,
    Text,
    WholeNumber,
    YesNo,
)
from portal.api.pagination import NewestFirst, page_of
from portal.api.parameters import time_parameter
from portal.api.replacement import WOULD_REPLACE, Consenting
from portal.api.request_shown import RequestShown
from portal.api.schema import CURSOR, IDEMPOTENCY_KEY, LIMIT, idempotency_key, page_schema
from portal.core.errors import Invalid
from portal.core.targets import MAX_TARGET_LENGTH, PortRange
from portal.mitigations import export, queries, services
from portal.mitigations.access import request_for
from portal.mitigations.models import MitigationRequest, RequestKind, Strategy
from portal.mitigations.states import ATTACK_STATUSES, RequestStatus
from portal.mitigations.validation import (
    MAX_PORT_RANGES,
    MAX_PROTOCOLS,
    MAX_REASON_LENGTH,
    MAX_TARGETS,
    Submission,
)
from portal.organizations.models import Organization, Role

KIND_FILTER = OpenApiParameter(
    "kind",
    str,
    enum=RequestKind.values,
    many=True,
    explode=False,
    description="Only requests of these kinds. Default: immediate.",
)
STATUS_FILTER = OpenApiParameter(
    "status",
    str,
    enum=RequestStatus.values,
    many=True,
    explode=False,
    description="Only requests with these statuses.",
)
FILTERS = [
    KIND_FILTER,
    STATUS_FILTER,
    OpenApiParameter(
        "since", OpenApiTypes.DATETIME, description="Requested at this time or later."
    ),
    OpenApiParameter("until", OpenApiTypes.DATETIME, description="Requested before this time."),
]


class NewTargets(StrictSerializer):
    prefixes = Several(child=Text(max_length=MAX_TARGET_LENGTH), limit=MAX_TARGETS, required=False)
    fqdns = Several(child=Text(max_length=MAX_TARGET_LENGTH), limit=MAX_TARGETS, required=False)
    uris = Several(child=Text(max_length=MAX_TARGET_LENGTH), limit=MAX_TARGETS, required=False)
    resources = Several(child=Identifier(), limit=MAX_TARGETS, required=False)


class NewPorts(StrictSerializer):
    lower = WholeNumber(at_least=0, at_most=65535)
    upper = WholeNumber(at_least=0, at_most=65535, required=False)


def port_ranges(several: Iterable[Mapping[str, int]]) -> tuple[PortRange, ...]:
    return tuple(PortRange(one["lower"], one.get("upper", one["lower"])) for one in several)


class NewRequest(Consenting):
    targets = NewTargets()
    ports = Several(child=NewPorts(), limit=MAX_PORT_RANGES, required=False)
    protocols = Several(child=Protocol(), limit=MAX_PROTOCOLS, required=False)
    lifetime = WholeNumber(at_least=-1, required=False, help_text="Seconds; -1: until terminated.")
    auto_renew = YesNo(required=False)
    strategy = Choice(Strategy.values, required=False)
    subscriptions = Several(child=Identifier(), limit=MAX_TARGETS, required=False)
    reason = Text(max_length=MAX_REASON_LENGTH, allow_blank=True, required=False)

    def submission(self) -> Submission:
        data = self.validated_data
        targets = data["targets"]
        return Submission(
            prefixes=tuple(targets.get("prefixes", ())),
            fqdns=tuple(targets.get("fqdns", ())),
            uris=tuple(targets.get("uris", ())),
            resources=tuple(targets.get("resources", ())),
            ports=port_ranges(data.get("ports", ())),
            protocols=tuple(data.get("protocols", ())),
            lifetime_s=data.get("lifetime"),
            auto_renew=data.get("auto_renew", True),
            strategy=data.get("strategy", Strategy.FAILOVER.value),
            subscriptions=tuple(data.get("subscriptions", ())),
            reason=data.get("reason", ""),
        )


class ExtensionSerializer(StrictSerializer):
    lifetime = WholeNumber(at_least=-1, help_text="Seconds from now; -1: until terminated.")


class EfficacySerializer(StrictSerializer):
    attack_status = Choice(list(ATTACK_STATUSES))


def shown_request(request: MitigationRequest, *, status: int, **headers: str) -> Response:
    return Response(RequestShown(request).data, status=status, headers=headers)


def reread(organization: Organization, request_id: UUID) -> MitigationRequest:
    """As committed, with everything that the answer shows."""
    return queries.requests(organization, kinds=queries.EVERY_KIND).get(pk=request_id)


class RequestsView(APIView):
    @extend_schema(
        operation_id="list_mitigation_requests",
        responses=page_schema(RequestShown),
        parameters=[*FILTERS, CURSOR, LIMIT],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Newest first."""
        membership = membership_of(request, slug)
        found = _matching(membership.organization, request)
        return page_of(found, RequestShown, NewestFirst(), request, self)

    @extend_schema(
        operation_id="submit_mitigation_request",
        request=NewRequest,
        responses={202: RequestShown, 409: WOULD_REPLACE},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Ask for mitigation. The request is saved before the call returns; the portal asks
        providers at once.

        A provider holds only the newer of two requests for the same addresses (RFC 9132 section
        4.4.1). If a request overlaps live ones of the organization at a provider, the call returns
        409 `would-replace` unless its body lists them in `replaces`.

        409 `quota-organization` or `quota-person` (`quota-actor` for a program): the limit on live
        requests is reached. Terminate or extend a live request; a retry alone does not help.
        409 `quota-ending`: too many requests are still ending. Retry after `Retry-After` seconds.
        """
        membership = membership_of(request, slug, Role.OPERATOR)
        form = NewRequest.of(request)
        submitted = services.submit(
            organization=membership.organization,
            actor=actor_of(request),
            submission=form.submission(),
            key=idempotency_key(request),
            consent=form.consent(),
        )
        location = reverse("api:request", args=[slug, submitted.pk])
        return shown_request(submitted, status=202, Location=location)


class RequestsCsvView(APIView):
    @extend_schema(
        operation_id="export_requests_as_csv",
        parameters=FILTERS,
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request, slug: str) -> StreamingHttpResponse:
        """All requests that match, newest first, as a table with a header (RFC 4180, UTF-8). A cell
        that a spreadsheet would compute begins with an apostrophe. 409
        `too-many-requests-to-export`: more than 10,000 match.
        """
        organization = membership_of(request, slug).organization
        return export.csv_file(_matching(organization, request), slug)


class RequestsJsonView(APIView):
    @extend_schema(
        operation_id="export_requests_as_json_lines",
        parameters=FILTERS,
        responses={(200, "application/x-ndjson"): OpenApiTypes.STR},
    )
    def get(self, request: Request, slug: str) -> StreamingHttpResponse:
        """The same as JSON Lines: one object per request, with its `mitigations`."""
        organization = membership_of(request, slug).organization
        return export.json_file(_matching(organization, request), slug)


def _matching(organization: Organization, request: Request) -> QuerySet[MitigationRequest]:
    """Newest first."""
    kinds = _chosen("kind", RequestKind.values, request) or [RequestKind.IMMEDIATE]
    found = queries.requests(organization, kinds=[RequestKind(kind) for kind in kinds])
    statuses = _chosen("status", RequestStatus.values, request)
    if statuses:
        found = found.filter(status__in=statuses)
    since, until = time_parameter(request, "since"), time_parameter(request, "until")
    if since is not None:
        found = found.filter(created_at__gte=since)
    if until is not None:
        found = found.filter(created_at__lt=until)
    return found


def _chosen(name: str, known: Sequence[str], request: Request) -> list[str]:
    """The values of a filter that may be repeated or separated by commas."""
    wanted = [
        word for value in request.query_params.getlist(name) for word in value.split(",") if word
    ]
    unknown = next((word for word in wanted if word not in known), None)
    if unknown is not None:
        message = f"There is no {name} {unknown[:40]}. Choose from: {', '.join(known)}."
        raise Invalid.at(name, "not-a-choice", message)
    return wanted


class RequestView(APIView):
    @extend_schema(operation_id="get_mitigation_request", responses=RequestShown)
    def get(self, request: Request, slug: str, request_id: UUID) -> Response:
        """One request, with every provider's part of it."""
        membership = membership_of(request, slug)
        return shown_request(request_for(membership, request_id), status=200)


class TerminateView(APIView):
    # Ending a mitigation must work whatever other calls the client makes.
    throttle_classes: list[type[BaseThrottle]] = []

    @extend_schema(
        operation_id="terminate_mitigation_request", request=None, responses={202: RequestShown}
    )
    def post(self, request: Request, slug: str, request_id: UUID) -> Response:
        """Tell every provider to stop. Repeating the call is harmless; it is never throttled."""
        membership = membership_of(request, slug, Role.OPERATOR)
        mitigation_request = request_for(membership, request_id)
        services.terminate(request_id=mitigation_request.pk, actor=actor_of(request))
        return shown_request(reread(membership.organization, mitigation_request.pk), status=202)


class ExtendView(APIView):
    @extend_schema(
        operation_id="extend_mitigation_request",
        request=ExtensionSerializer,
        responses={202: RequestShown},
    )
    def post(self, request: Request, slug: str, request_id: UUID) -> Response:
        """Ask for this lifetime, from now."""
        membership = membership_of(request, slug, Role.OPERATOR)
        mitigation_request = request_for(membership, request_id)
        form = ExtensionSerializer.of(request)
        services.extend(
            request_id=mitigation_request.pk,
            actor=actor_of(request),
            lifetime_s=form.validated_data["lifetime"],
        )
        return shown_request(reread(membership.organization, mitigation_request.pk), status=202)


class EfficacyView(APIView):
    @extend_schema(
        operation_id="report_efficacy", request=EfficacySerializer, responses={202: RequestShown}
    )
    def post(self, request: Request, slug: str, request_id: UUID) -> Response:
        """Tell the providers how the attack looks from your side."""
        membership = membership_of(request, slug, Role.OPERATOR)
        mitigation_request = request_for(membership, request_id)
        form = EfficacySerializer.of(request)
        services.report_efficacy(
            request_id=mitigation_request.pk,
            actor=actor_of(request),
            attack_status=form.validated_data["attack_status"],
        )
        return shown_request(reread(membership.organization, mitigation_request.pk), status=202)


class End(StrictSerializer):
    ended_at = Instant(
        help_text=(
            "The `filtering_ended_at` of the request as you read it or, where that is null, its "
            "`ended_at`."
        )
    )


class EndOf(End):
    request = Identifier()


class EndsSerializer(StrictSerializer):
    ends = Several(child=EndOf(), limit=services.MAX_ACKNOWLEDGED)


class AcknowledgedShown(ApiSerializer[Any]):
    results = RequestShown(many=True, help_text="In the same order as the body.")


class AcknowledgeAllView(APIView):
    @extend_schema(
        operation_id="acknowledge_mitigation_requests",
        request=EndsSerializer,
        responses=AcknowledgedShown,
    )
    def post(self, request: Request, slug: str) -> Response:
        """Acknowledge that these requests ended: all of them, or none if one is unknown (400), has
        not ended, or has ended again since (409).

        Repeating it is harmless.
        """
        organization = membership_of(request, slug, Role.OPERATOR).organization
        form = EndsSerializer.of(request)
        ends = [
            services.SeenEnd(one["request"], one["ended_at"]) for one in form.validated_data["ends"]
        ]
        services.acknowledge_all(organization=organization, ends=ends, actor=actor_of(request))
        ids = list(dict.fromkeys(one.request_id for one in ends))
        shown = queries.requests(organization, kinds=queries.EVERY_KIND).in_bulk(ids)
        results = [shown[one] for one in ids]
        return Response(AcknowledgedShown({"results": results}).data)


class AcknowledgeView(APIView):
    @extend_schema(
        operation_id="acknowledge_mitigation_request", request=End, responses=RequestShown
    )
    def post(self, request: Request, slug: str, request_id: UUID) -> Response:
        """Acknowledge that the request ended.

        409 if it has not ended, or has ended again since.
        """
        membership = membership_of(request, slug, Role.OPERATOR)
        mitigation_request = request_for(membership, request_id)
        form = End.of(request)
        seen = services.SeenEnd(mitigation_request.pk, form.validated_data["ended_at"])
        services.acknowledge(seen, actor=actor_of(request))
        return shown_request(reread(membership.organization, mitigation_request.pk), status=200)
