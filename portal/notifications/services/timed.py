"""Notices of what no event tells: protection that ends soon, a session that stays down, a
certificate that ends.

The key of each is made from what it reports, so a task that runs twice, or late, reports it once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from portal.core.sweeping import count_done
from portal.mitigations.models import MitigationRequest, RequestKind
from portal.mitigations.states import REQUEST_TERMINAL
from portal.notifications.facts import NoticeFacts
from portal.notifications.happened import Happened, thread_of_provider, thread_of_request
from portal.notifications.kinds import NoticeKind
from portal.notifications.message import Severity
from portal.notifications.services.write import News, in_turn, write
from portal.organizations.models import Organization
from portal.providers.certificate_validity import validities
from portal.providers.models import SessionState, Subscription

ENDS_SOON: Final = timedelta(minutes=15)
"""Before the end; of a lifetime shorter than twice that, its second half."""
DOWN_FOR: Final = timedelta(minutes=5)
STAGES: Final = (30, 14, 7, 1)
"""Days before a certificate ends."""
MAX_ROWS: Final = 1000
"""Requests or providers that one run looks at, those that end or were lost last first."""


def look(now: datetime) -> int:
    """Write what is due by the minute. Returns how many rows are new."""
    return _write_all([*_ends_soon(now), *_sessions_down(now)], now)


def look_at_certificates(now: datetime) -> int:
    """Write what is due by the day. Returns how many rows are new."""
    return _write_all(_certificates(now), now)


def _write_all(found: Iterable[tuple[Organization, News]], now: datetime) -> int:
    by_organization: defaultdict[UUID, list[News]] = defaultdict(list)
    organizations: dict[UUID, Organization] = {}
    for organization, news in found:
        organizations[organization.pk] = organization
        by_organization[organization.pk].append(news)

    def write_own(organization_id: UUID) -> int:
        with in_turn(organization_id):
            return write({organizations[organization_id]: by_organization[organization_id]}, now)

    return count_done(write_own, sorted(organizations))


def is_ending_soon(until: datetime, lifetime_s: int, now: datetime) -> bool:
    """Within 15 minutes of the end, or the last half of a short lifetime."""
    lead = min(ENDS_SOON, timedelta(seconds=lifetime_s) / 2)
    return now < until <= now + lead


def _ends_soon(now: datetime) -> Iterator[tuple[Organization, News]]:
    ending = MitigationRequest.objects.filter(
        kind=RequestKind.IMMEDIATE,
        terminate_asked_at__isnull=True,
        requested_until__gt=now,
        requested_until__lte=now + ENDS_SOON,
    ).exclude(status__in=REQUEST_TERMINAL)
    for request in ending.select_related("organization").order_by("requested_until")[:MAX_ROWS]:
        until = request.requested_until
        if until is None or not is_ending_soon(until, request.lifetime_s, now):
            continue
        yield (
            request.organization,
            News(
                happened=Happened(
                    kind=NoticeKind.ENDS_SOON,
                    severity=Severity.WARNING,
                    thread=thread_of_request(str(request.pk)),
                    key=f"ends:{request.pk}:{until:%Y%m%dT%H%M%S}",
                ),
                facts=NoticeFacts(number=request.number, name=request.name, until=until, since=now),
                occurred_at=now,
                event=_event(NoticeKind.ENDS_SOON, now, request=request.pk, until=until),
                request_id=request.pk,
            ),
        )


def _sessions_down(now: datetime) -> Iterator[tuple[Organization, News]]:
    down = _asked().filter(session_since__lte=now - DOWN_FOR).exclude(session_state=SessionState.UP)
    for one in down.order_by("-session_since")[:MAX_ROWS]:
        since = one.session_since
        if since is None:
            continue
        yield (
            one.organization,
            News(
                happened=Happened(
                    kind=NoticeKind.SESSION_DOWN,
                    severity=Severity.WARNING,
                    thread=thread_of_provider(str(one.pk)),
                    key=f"down:{one.pk}:{since:%Y%m%dT%H%M%S}",
                ),
                facts=NoticeFacts(
                    provider=one.provider.short_name, phone=one.provider.phone, since=since
                ),
                occurred_at=now,
                event=_event(NoticeKind.SESSION_DOWN, now, subscription=one.pk, since=since),
            ),
        )


def _certificates(now: datetime) -> Iterator[tuple[Organization, News]]:
    for one in _asked().order_by("pk").iterator(chunk_size=100):
        chain = validities(one.certificate_chain)
        ends = min((validity.ends for validity in chain), default=now)
        stage = stage_of(ends, now)
        if stage is None:
            continue
        yield (
            one.organization,
            News(
                happened=Happened(
                    kind=NoticeKind.CERTIFICATE_ENDS,
                    severity=Severity.WARNING,
                    thread=thread_of_provider(str(one.pk)),
                    key=f"certificate:{one.pk}:{ends:%Y%m%d}:{stage}",
                ),
                facts=NoticeFacts(provider=one.provider.short_name, until=ends, since=now),
                occurred_at=now,
                event=_event(NoticeKind.CERTIFICATE_ENDS, now, subscription=one.pk, until=ends),
            ),
        )


def stage_of(ends: datetime, now: datetime) -> int | None:
    """The latest stage that has begun; None before the first one and after the end."""
    if ends <= now:
        return None
    return min((days for days in STAGES if ends - now <= timedelta(days=days)), default=None)


def _asked() -> Any:
    """The subscriptions that requests go to."""
    rows = Subscription.objects.filter(enabled=True, organization__is_active=True)
    return rows.select_related("organization", "provider").defer("private_key")


def _event(
    kind: NoticeKind, now: datetime, *, request: UUID | None = None, **data: UUID | datetime
) -> dict[str, Any]:
    """In the form of the API's events, without a number: the log has none of it."""
    values = {
        name: one.isoformat().replace("+00:00", "Z") if isinstance(one, datetime) else str(one)
        for name, one in data.items()
    }
    return {
        "seq": None,
        "at": now.isoformat().replace("+00:00", "Z"),
        "type": kind.value,
        "request": str(request) if request else None,
        "mitigation": None,
        "data": values,
    }
