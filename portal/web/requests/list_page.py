"""Past requests: a form by GET, so that a view of it is a URL to share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.http import urlencode

from portal import wording
from portal.core.numbers import whole_number
from portal.mitigations import queries
from portal.mitigations.models import MitigationRequest
from portal.mitigations.states import RequestStatus
from portal.organizations.models import Membership, Organization
from portal.providers.models import Subscription
from portal.web.frame import frame
from portal.web.options import Option, options
from portal.web.rendering import FramedPage
from portal.web.requests.ended import end_value
from portal.web.requests.shared import PastRequest, past, subscriptions
from portal.wording.from_rows.mitigations import request_facts

PAGE_ROWS: Final = 50
MAX_PAGE: Final = 99_999
MAX_FIND_LENGTH: Final = 100
NEEDS_ME: Final = "needs-me"
OVER_CAPACITY: Final = "over-capacity"
UNACKNOWLEDGED: Final = "unacknowledged"
FILTERS: Final = {
    NEEDS_ME: "Needs me",
    OVER_CAPACITY: wording.BADGES[wording.DisplayStatus.EXCEEDED].word,
    UNACKNOWLEDGED: "Ended, not acknowledged",
}
"""Besides the statuses.

"Needs me": requests whose page offers a next step, or with an unacknowledged, unrequested end.
"""
STATUSES: Final = (
    RequestStatus.REQUESTING,
    RequestStatus.IN_PROGRESS,
    RequestStatus.MITIGATING,
    RequestStatus.ATTACK_STOPPED,
    RequestStatus.FAILING,
    RequestStatus.TERMINATING,
    RequestStatus.TERMINATED,
    RequestStatus.EXPIRED,
)
"""The statuses of immediate requests."""
ORDERS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "": ("Newest first", ("-created_at", "-id")),
    "oldest": ("Oldest first", ("created_at", "id")),
    "name": ("By name", ("name", "-created_at", "-id")),
    "person": ("By person", ("created_by__username", "-created_at", "-id")),
}
WHENS: Final = {
    "": ("Any time", None),
    "7": ("Last 7 days", 7),
    "30": ("Last 30 days", 30),
    "365": ("Last year", 365),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """The filter in the query string; fields without a value are empty."""

    find: str
    status: str
    when: str
    order: str
    page: int

    @classmethod
    def read(cls, choice: QueryDict) -> Filter:
        return cls(
            find=str(choice.get("find", "")).strip()[:MAX_FIND_LENGTH].replace("\0", ""),
            status=_one_of([*STATUSES, *FILTERS], choice.get("status")),
            when=_one_of(WHENS, choice.get("when")),
            order=_one_of(ORDERS, choice.get("order")),
            page=whole_number(str(choice.get("page", "")), at_most=MAX_PAGE) or 1,
        )

    @property
    def is_narrow(self) -> bool:
        return bool(self.find or self.status or self.when)

    def query(self, page: int = 0) -> str:
        """As a query string, for a page of the same view; 0 for the first page, without
        its number.
        """
        fields = {
            "find": self.find,
            "status": self.status,
            "when": self.when,
            "order": self.order,
            "page": str(page or ""),
        }
        return urlencode({name: value for name, value in fields.items() if value})


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage(FramedPage):
    """Requests that match a filter, newest first by default."""

    template: ClassVar = "requests/requests.html"

    rows: list[PastRequest]
    find: str
    statuses: list[Option]
    whens: list[Option]
    orders: list[Option]
    order_words: str
    is_filtered: bool
    to_acknowledge: list[str]
    "what a form posts to acknowledge the ends that are shown"
    shown: str
    "this view as a query string, to return to"
    files: str
    "the filter as a query string, for the files of all requests that match"
    newer: str
    older: str


def list_page(membership: Membership, now: datetime, choice: QueryDict) -> ListPage:
    organization, asked = membership.organization, Filter.read(choice)
    by_id = subscriptions(organization)
    first = (asked.page - 1) * PAGE_ROWS
    found = list(matching(organization, asked, by_id, now)[first : first + PAGE_ROWS + 1])
    rows = [past(one, by_id, organization, now) for one in found[:PAGE_ROWS]]
    return ListPage(
        frame=frame(membership, now),
        here="requests",
        rows=rows,
        find=asked.find,
        statuses=options(
            {**{one.value: wording.REQUEST_BADGES[one].word for one in STATUSES}, **FILTERS},
            asked.status,
        ),
        whens=options({key: words for key, (words, _) in WHENS.items()}, asked.when),
        orders=options({key: words for key, (words, _) in ORDERS.items()}, asked.order),
        order_words=ORDERS[asked.order][0].lower(),
        is_filtered=asked.is_narrow,
        to_acknowledge=[end_value(row.request) for row in rows if row.request.is_to_acknowledge]
        if membership.can_operate
        else [],
        shown=asked.query(asked.page if asked.page > 1 else 0),
        files=asked.query(),
        newer=asked.query(asked.page - 1) if asked.page > 1 else "",
        older=asked.query(asked.page + 1) if len(found) > PAGE_ROWS else "",
    )


def matching(
    organization: Organization, asked: Filter, by_id: Mapping[str, Subscription], now: datetime
) -> QuerySet[MitigationRequest]:
    """All requests that match the filter, in its order."""
    rows = _of_status(organization, asked.status, by_id, now).order_by(*ORDERS[asked.order][1])
    days = WHENS[asked.when][1]
    if days:
        rows = rows.filter(created_at__gte=now - timedelta(days=days))
    if asked.find:
        rows = rows.filter(
            Q(name__icontains=asked.find)
            | Q(created_by__username__icontains=asked.find)
            | Q(origin_name__icontains=asked.find)
            | Q(reason__icontains=asked.find)
            | Q(scope__icontains=asked.find)
            | _numbered(asked.find)
        )
    return rows


def _of_status(
    organization: Organization, status: str, by_id: Mapping[str, Subscription], now: datetime
) -> QuerySet[MitigationRequest]:
    if status == UNACKNOWLEDGED:
        return queries.ended_by_itself(organization)
    if status == OVER_CAPACITY:
        return queries.requests_over_capacity(organization)
    if status == NEEDS_ME:
        live = (
            (one.pk, request_facts(one, by_id, organization))
            for one in queries.live_requests(organization)
        )
        waiting = [pk for pk, facts in live if wording.needs_a_person(facts, now)]
        ended = queries.ended_by_itself(organization).values("pk")
        every = queries.requests(organization, kinds=queries.EVERY_KIND)
        return every.filter(Q(pk__in=waiting) | Q(pk__in=ended))
    rows = queries.requests(organization)
    return rows.filter(status=status) if status else rows


def _one_of(known: Iterable[str], wished: object) -> str:
    return wished if isinstance(wished, str) and wished in known else ""


def _numbered(find: str) -> Q:
    """The short reference is the beginning of the id."""
    digits = find.lower().replace("-", "")
    if not re.fullmatch(r"[0-9a-f]{8}", digits):
        return Q(pk__in=[])
    return Q(pk__gte=UUID(f"{digits}{'0' * 24}"), pk__lte=UUID(f"{digits}{'f' * 24}"))
