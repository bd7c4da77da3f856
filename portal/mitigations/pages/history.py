"""What was asked in the past: a form by GET, so that a view of it is a URL to share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Q
from django.http import QueryDict
from django.utils.http import urlencode

from portal.mitigations import queries, wording
from portal.mitigations.pages.shared import frame, past, subscriptions
from portal.mitigations.states import RequestStatus
from portal.organizations.models import Membership

PAGE_ROWS: Final = 50
PAGE_DIGITS: Final = 5
MAX_FIND_LENGTH: Final = 100
UNACKNOWLEDGED: Final = "unacknowledged"
"""A filter beside the statuses: ended by itself and not acknowledged."""
WHENS: Final = {
    "": ("Any time", None),
    "7": ("Last 7 days", 7),
    "30": ("Last 30 days", 30),
    "365": ("Last year", 365),
}


def history_page(membership: Membership, now: datetime, choice: QueryDict) -> dict[str, Any]:
    organization = membership.organization
    status = _one_of([*RequestStatus.values, UNACKNOWLEDGED], choice.get("status"))
    when = _one_of(WHENS, choice.get("when"))
    find = str(choice.get("find", "")).strip()[:MAX_FIND_LENGTH].replace("\0", "")
    page_text = str(choice.get("page", ""))
    page = int(page_text) if page_text.isdecimal() and len(page_text) <= PAGE_DIGITS else 1
    page = max(1, page)
    rows = queries.requests(organization)
    if status == UNACKNOWLEDGED:
        rows = queries.ended_by_itself(organization)
    elif status:
        rows = rows.filter(status=status)
    days = WHENS[when][1]
    if days:
        rows = rows.filter(created_at__gte=now - timedelta(days=days))
    if find:
        rows = rows.filter(
            Q(name__icontains=find)
            | Q(created_by__username__icontains=find)
            | Q(reason__icontains=find)
            | Q(scope__icontains=find)
            | _numbered(find)
        )
    first = (page - 1) * PAGE_ROWS
    found = list(rows[first : first + PAGE_ROWS + 1])
    by_id = subscriptions(organization)
    kept: dict[str, str] = {"find": find, "status": status, "when": when}
    kept = {name: value for name, value in kept.items() if value}
    return {
        "frame": frame(membership, now),
        "here": "requests",
        "rows": [past(one, by_id, organization, now) for one in found[:PAGE_ROWS]],
        "find": find,
        "statuses": [
            (one.value, wording.REQUEST_LOOKS[one].word, one.value == status)
            for one in RequestStatus
        ]
        + [(UNACKNOWLEDGED, "Ended by itself, not acknowledged", status == UNACKNOWLEDGED)],
        "can_acknowledge": status == UNACKNOWLEDGED and membership.can_operate,
        "whens": [(key, name, key == when) for key, (name, _) in WHENS.items()],
        "older": urlencode({**kept, "page": str(page + 1)}) if len(found) > PAGE_ROWS else "",
        "newer": urlencode({**kept, "page": str(page - 1)}) if page > 1 else "",
        "is_filtered": bool(kept),
    }


def _one_of(known: Iterable[str], wished: object) -> str:
    return wished if isinstance(wished, str) and wished in known else ""


def _numbered(find: str) -> Q:
    """The short number people read out on the phone is the beginning of the id."""
    digits = find.lower().replace("-", "")
    if not re.fullmatch(r"[0-9a-f]{8}", digits):
        return Q(pk__in=[])
    return Q(pk__gte=UUID(f"{digits}{'0' * 24}"), pk__lte=UUID(f"{digits}{'f' * 24}"))
