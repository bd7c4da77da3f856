"""`organizations/{slug}/audit`: who did what, as pages or as a file. For admins."""

from __future__ import annotations

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.authentication import actor_of, membership_of
from portal.api.fields import ApiSerializer
from portal.api.pagination import Pages, page_of
from portal.api.parameters import time_parameter
from portal.api.schema import CURSOR, LIMIT, page_schema
from portal.audit import export, queries
from portal.audit.models import AuditEntry
from portal.audit.queries import AuditFilter
from portal.core.errors import Invalid
from portal.core.numbers import whole_number
from portal.organizations import audit_heads
from portal.organizations.models import Role

MAX_TEXT = 100
FILTERS = [
    OpenApiParameter("who", str, description="Part of the name of who acted."),
    OpenApiParameter(
        "about", str, description="Part of the name, or the beginning of the id, of what changed."
    ),
    OpenApiParameter(
        "verb",
        str,
        description="What was done, such as `token.issued`; `token.`: all of it.",
    ),
    OpenApiParameter("since", OpenApiTypes.DATETIME, description="From this time on."),
    OpenApiParameter("until", OpenApiTypes.DATETIME, description="Before this time."),
]


class AuditEntryShown(ApiSerializer[AuditEntry]):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    verb = serializers.CharField(help_text="What was done. Stable.")
    actor_kind = serializers.CharField(help_text="Empty if no one proved an identity.")
    actor = serializers.CharField(source="actor_name")
    is_by_staff = serializers.BooleanField(help_text="The portal’s staff acted.")
    object_kind = serializers.CharField()
    object_id = serializers.CharField()
    object_name = serializers.CharField()
    before = serializers.DictField(allow_null=True, help_text="The changed values, by field.")
    after = serializers.DictField(allow_null=True, help_text="The changed values, by field.")
    reason = serializers.CharField()
    address = serializers.CharField()
    factor = serializers.CharField(help_text="The kind and the name of the second factor.")
    token = serializers.CharField(help_text="The id and the name of the API token.")


class NewestEntryFirst(Pages):
    ordering = ("-at", "-id")


class AuditView(APIView):
    @extend_schema(
        operation_id="list_audit_entries",
        parameters=[*FILTERS, CURSOR, LIMIT],
        responses=page_schema(AuditEntryShown),
    )
    def get(self, request: Request, slug: str) -> Response:
        """Who did what, newest first. Requests appear after a few seconds."""
        membership = membership_of(request, slug, Role.ADMIN)
        found = queries.entries(membership.organization_id, _filter(request))
        return page_of(found, AuditEntryShown, NewestEntryFirst(), request, self)


class AuditExportView(APIView):
    @extend_schema(
        operation_id="export_audit",
        parameters=[
            *FILTERS,
            OpenApiParameter(
                "after",
                {"type": "integer", "minimum": 0, "maximum": export.MAX_SEQ, "default": 0},
                description="The place in the chain after which the file begins.",
            ),
        ],
        responses={(200, export.CONTENT_TYPE): OpenApiTypes.STR},
    )
    def get(self, request: Request, slug: str) -> StreamingHttpResponse:
        """Sealed entries as JSON Lines in the order of their chain, at most 50,000. The first line
        has the hash before the first entry; the last one says whether the file is complete.
        """
        membership = membership_of(request, slug, Role.ADMIN)
        wanted, after = _filter(request), _after(request)
        audit_heads.record_export(
            membership.organization, actor_of(request), request.query_params.urlencode()
        )
        return StreamingHttpResponse(
            export.lines(membership.organization_id, wanted, after=after),
            headers=export.headers(slug),
        )


def _filter(request: Request) -> AuditFilter:
    verb = _text(request, "verb")
    return AuditFilter(
        who=_text(request, "who"),
        about=_text(request, "about"),
        verbs=(verb,) if verb else (),
        since=time_parameter(request, "since"),
        until=time_parameter(request, "until"),
    )


def _text(request: Request, name: str) -> str:
    value = request.query_params.get(name, "")
    if len(value) <= MAX_TEXT and "\0" not in value:
        return value
    message = f"{name} must be text of at most {MAX_TEXT} characters."
    raise Invalid.at(name, "too-long", message)


def _after(request: Request) -> int:
    seq = whole_number(request.query_params.get("after", "0"), at_most=export.MAX_SEQ)
    if seq is not None:
        return seq
    message = "after must be a place in the chain: a whole number, 0 or higher."
    raise Invalid.at("after", "not-a-number", message)
