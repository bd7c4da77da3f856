"""Pages of lists, with a cursor that stays correct while rows are added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from portal.core.errors import Invalid
from portal.core.numbers import whole_number

PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 200
CURSOR: Final = "cursor"
LIMIT: Final = "limit"


class Pages(CursorPagination):
    """`?cursor=` is opaque; `?limit=` asks for smaller or larger pages."""

    cursor_query_param = CURSOR
    page_size = PAGE_SIZE
    max_page_size = MAX_PAGE_SIZE
    page_size_query_param = LIMIT

    def paginate_queryset(
        self,
        queryset: QuerySet[Any] | Sequence[Any],
        request: Request,
        view: APIView | None = None,
    ) -> list[Any] | None:
        if CURSOR not in request.query_params:
            return super().paginate_queryset(queryset, request, view)
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, ValidationError, ValueError, OverflowError):
            # A date in year 1 or 9999 may not exist in UTC.
            raise _unknown_cursor() from None

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get(LIMIT)
        if text is None:
            return PAGE_SIZE
        size = whole_number(text, at_most=MAX_PAGE_SIZE)
        if not size:
            message = f"limit must be a whole number from 1 to {MAX_PAGE_SIZE}."
            raise Invalid.at(LIMIT, "out-of-range", message)
        return size

    def decode_cursor(self, request: Request) -> Cursor | None:
        cursor = super().decode_cursor(request)
        # PostgreSQL accepts no NUL in a text that it compares.
        if cursor is not None and "\0" in str(cursor.position):
            raise _unknown_cursor()
        return cursor


class NewestFirst(Pages):
    ordering = ("-created_at", "-id")


class OldestFirst(Pages):
    ordering = ("created_at", "id")


class BySeq(Pages):
    ordering = ("seq",)


class NewestDrillFirst(Pages):
    ordering = ("-started_at", "-id")


class LatestFoundFirst(Pages):
    ordering = ("-found_at", "-id")


class LatestAlertFirst(Pages):
    ordering = ("-last_at", "-id")


class NewestIncidentFirst(Pages):
    ordering = ("-began_at", "-id")


class NewestProposalFirst(Pages):
    ordering = ("-made_at", "-id")


class LatestReceivedFirst(Pages):
    ordering = ("-received_at", "-id")


class ByName(Pages):
    ordering = ("name", "id")


class ByPriority(Pages):
    ordering = ("priority", "id")


def _unknown_cursor() -> Invalid:
    message = "Unknown cursor. Follow the links in next and previous."
    return Invalid.at("cursor", "unknown-cursor", message)


def page_of(
    queryset: QuerySet[Any],
    shown: type[BaseSerializer[Any]],
    pages: Pages,
    request: Request,
    view: APIView,
) -> Response:
    """One page of a list, rendered."""
    rows = pages.paginate_queryset(queryset, request, view)
    return pages.get_paginated_response(shown(rows, many=True).data)
