"""`organizations`, as the portal's staff list them: the worst first."""

from __future__ import annotations

from typing import Any, Final

from django.utils import timezone
from django.utils.http import urlencode
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.authentication import caller
from portal.api.fields import ApiSerializer
from portal.api.invitations import AddOrganizationView
from portal.core.errors import Invalid
from portal.core.numbers import whole_number
from portal.organizations import founding
from portal.readiness.customers import Concern, customers

PAGE_SIZE: Final = 50
MAX_PAGE: Final = 99_999
MAX_FIND_LENGTH: Final = 100


class ConcernShown(ApiSerializer[Any]):
    code = serializers.ChoiceField(
        source="concern", choices=[(one.value, one.value) for one in Concern]
    )
    count = serializers.IntegerField()
    at = serializers.DateTimeField(
        allow_null=True,
        help_text="Since when; of certificates: when the first one ends. Null: it was always so.",
    )


class CustomerShown(ApiSerializer[Any]):
    slug = serializers.CharField()
    name = serializers.CharField()
    admins = serializers.IntegerField()
    members = serializers.IntegerField()
    live = serializers.IntegerField(help_text="Its requests that are not over.")
    concerns = ConcernShown(many=True, source="found")


class CustomersShown(ApiSerializer[Any]):
    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    results = CustomerShown(many=True)


class OrganizationsView(AddOrganizationView):
    @extend_schema(
        operation_id="list_organizations",
        parameters=[
            OpenApiParameter("find", str, description="Part of the name."),
            OpenApiParameter("page", int, description="From 1; 50 organizations each."),
        ],
        responses=CustomersShown,
    )
    def get(self, request: Request) -> Response:
        """All organizations with what may need staff, the worst first. It names neither targets nor
        requests: for these, act for the organization. For portal staff.
        """
        founding.MAY_ADD.require(caller(request))
        find, page = request.query_params.get("find", ""), page_number(request)
        found = customers(timezone.now(), name=find.replace("\0", "")[:MAX_FIND_LENGTH])
        rows = found[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
        following = None
        if page * PAGE_SIZE < len(found):
            query = urlencode([*([("find", find)] if find else []), ("page", str(page + 1))])
            following = request.build_absolute_uri(f"{request.path}?{query}")
        shown = {"count": len(found), "next": following, "results": rows}
        return Response(CustomersShown(shown).data)


def page_number(request: Request) -> int:
    """The parameter `page`; 1 without one."""
    text = request.query_params.get("page")
    page = 1 if text is None else whole_number(text, at_most=MAX_PAGE)
    if not page:
        message = f"page must be a whole number from 1 to {MAX_PAGE:,}."
        raise Invalid.at("page", "out-of-range", message)
    return page
