"""Read the event log once, and write the notices of what happened."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Concat
from django.utils import timezone

from portal.core.database import is_away
from portal.core.sweeping import count_done
from portal.events.cursors import next_events_of_each, with_news
from portal.events.models import Event, EventType
from portal.mitigations.models import Mitigation, MitigationRequest, RequestKind, Wanted
from portal.mitigations.states import CONFIRMED, SET_BACK
from portal.notifications.facts import NoticeFacts
from portal.notifications.happened import (
    TYPES,
    Happened,
    Occurrence,
    happened,
    thread_of_provider,
)
from portal.notifications.kinds import NoticeKind
from portal.notifications.models import Notice
from portal.notifications.services.write import CONSUMER, News, write
from portal.organizations.models import Organization
from portal.providers.models import Subscription

logger = logging.getLogger(__name__)

TOGETHER: Final = 50
"""Organizations in one transaction."""
BATCH: Final = 200
"""Events in one transaction, about."""
MAX_TEXT: Final = 300
"""Characters of a reason, or of another text of an event, that a notice repeats."""


def collect() -> int:
    """Write the notices of all new events. Returns how many rows it wrote."""
    late = with_news(CONSUMER, _may_be_worth_a_notice())
    groups = [late[first : first + TOGETHER] for first in range(0, len(late), TOGETHER)]
    return count_done(_collect_together, groups)


def _may_be_worth_a_notice() -> Q:
    """Of events. That a session is back is worth nothing to those who never read that it was down:
    after a restart of the portal itself, to no one.
    """
    told = Notice.objects.filter(
        organization=OuterRef("organization_id"),
        thread=Concat(
            Value(thread_of_provider("")), KeyTextTransform("subscription", OuterRef("data"))
        ),
    )
    is_back = Q(type=EventType.SESSION_UP)
    return Q(type__in=TYPES - {EventType.SESSION_UP}) | (is_back & Q(Exists(told)))


def _collect_together(organization_ids: list[UUID]) -> int:
    try:
        return _collect(organization_ids)
    except Exception as error:
        if is_away(error) or len(organization_ids) == 1:
            raise
        # Any of them may be the reason.
        logger.exception("notices of %s organizations: each alone", len(organization_ids))
        return count_done(_collect, [[one] for one in organization_ids])


def _collect(organization_ids: list[UUID]) -> int:
    written, late = 0, organization_ids
    while late:
        limit = -(-BATCH // len(late))
        with next_events_of_each(CONSUMER, late, types=TYPES, limit=limit) as found:
            written += write(news_of(found), timezone.now())
        late = [one for one, events in found.items() if len(events) == limit]
    return written


def news_of(found: Mapping[UUID, Sequence[Event]]) -> dict[Organization, list[News]]:
    """What these events tell, oldest first, by organization; without those that tell nothing."""
    events = [event for several in found.values() for event in several]
    subjects = _Subjects.of(events)
    told: dict[UUID, list[News]] = {}
    for event in events:
        one = happened(subjects.occurrence(event))
        if one is not None:
            told.setdefault(event.organization_id, []).append(subjects.news(event, one))
    organizations = Organization.objects.in_bulk(told)
    return {organizations[one]: news for one, news in told.items()}


@dataclass(frozen=True, slots=True)
class _Subjects:
    """The rows that some events are about."""

    requests: dict[UUID, MitigationRequest]
    subscriptions: dict[UUID, Subscription]
    by_mitigation: dict[UUID, Mitigation]

    @classmethod
    def of(cls, events: Sequence[Event]) -> _Subjects:
        requests = MitigationRequest.objects.select_related("approval", "created_by")
        ids = {event.request_id for event in events if event.request_id}
        found = requests.prefetch_related("mitigations").in_bulk(ids)
        mitigations = {one.pk: one for request in found.values() for one in _all(request)}
        named = {one.subscription_id for one in mitigations.values()}
        named |= {UUID(event.data["subscription"]) for event in events if _has_session(event)}
        subscriptions = Subscription.objects.select_related("provider").defer("private_key")
        return cls(found, subscriptions.in_bulk(named), mitigations)

    def occurrence(self, event: Event) -> Occurrence:
        mitigation = self.by_mitigation.get(event.mitigation_id) if event.mitigation_id else None
        request = self.requests.get(event.request_id) if event.request_id else None
        wanted = [one for one in _all(request) if one.wanted == Wanted.ACTIVE] if request else []
        return Occurrence(
            seq=event.seq,
            type=EventType(event.type),
            data=event.data,
            request=str(event.request_id or ""),
            mitigation=str(event.mitigation_id or ""),
            subscription=event.data.get("subscription", ""),
            request_kind=RequestKind(request.kind) if request else RequestKind.IMMEDIATE,
            is_ours=_is_ours(mitigation, event),
            asked=len(wanted),
            confirmed=sum(one.status in CONFIRMED for one in wanted),
            refused=sum(_is_refused(one) for one in wanted),
        )

    def news(self, event: Event, told: Happened) -> News:
        request = self.requests.get(event.request_id) if event.request_id else None
        return News(
            happened=told,
            facts=self._facts(event, request, told),
            occurred_at=event.at,
            event=dict(event.as_message()),
            request_id=event.request_id,
            only_for=_only_for(event, request, told),
            knows=event.actor_id if told.kind in _KNOWN_TO_ACTOR else None,
        )

    def _facts(
        self, event: Event, request: MitigationRequest | None, told: Happened
    ) -> NoticeFacts:
        data = event.data
        provider = self._provider(event, request, told)
        wanted = [one for one in _all(request) if one.wanted == Wanted.ACTIVE] if request else []
        return NoticeFacts(
            number=request.number if request else "",
            name=request.name if request else _text(data.get("name")),
            is_plan=request is not None and not request.is_immediate,
            provider=provider.provider.short_name if provider else "",
            phone=provider.provider.phone if provider else "",
            why=_why(event),
            code=_text(data.get("status" if _is_proposal(event) else "code")),
            reason=_reason(event, request, told),
            until=_approval_ends(request, told),
            by="The portal’s staff" if data.get("by") == "staff" else _text(data.get("actor")),
            asked=len(wanted),
            confirmed=sum(one.status in CONFIRMED for one in wanted),
        )

    def _provider(
        self, event: Event, request: MitigationRequest | None, told: Happened
    ) -> Subscription | None:
        if event.mitigation_id in self.by_mitigation:
            return self.subscriptions.get(self.by_mitigation[event.mitigation_id].subscription_id)
        if _has_session(event):
            return self.subscriptions.get(UUID(event.data["subscription"]))
        if request is None or told.kind not in _ABOUT_WHO_HELPS:
            return None
        helping = (one for one in _all(request) if one.status in CONFIRMED)
        return next((self.subscriptions.get(one.subscription_id) for one in helping), None)


def _only_for(
    event: Event, request: MitigationRequest | None, told: Happened
) -> frozenset[UUID] | None:
    """The people that it concerns; None: everyone."""
    if told.kind == NoticeKind.MENTIONED:
        return frozenset(map(UUID, event.data["mentioned"]))
    if request and told.kind in (NoticeKind.APPROVAL_DECLINED, NoticeKind.APPROVAL_EXPIRED):
        # A program asked if no person did.
        return frozenset(filter(None, [request.created_by_id]))
    return None


_KNOWN_TO_ACTOR: Final = (NoticeKind.MENTIONED, NoticeKind.APPROVAL_WANTED)
_ABOUT_WHO_HELPS: Final = (NoticeKind.ACCEPTED, NoticeKind.NOT_REACHED)


def _all(request: MitigationRequest) -> list[Mitigation]:
    return list(request.mitigations.all())


def _is_ours(mitigation: Mitigation | None, event: Event) -> bool:
    """Whether its withdrawal was wanted when the event was written."""
    asked_at = mitigation.withdrawal_asked_at if mitigation else None
    return asked_at is not None and asked_at <= event.at


def _is_refused(mitigation: Mitigation) -> bool:
    return mitigation.status in SET_BACK or bool(mitigation.refusal_code)


def _has_session(event: Event) -> bool:
    return event.type == EventType.SESSION_UP and "subscription" in event.data


def _is_proposal(event: Event) -> bool:
    return event.type.startswith("proposal.")


def _why(event: Event) -> str:
    data = event.data
    if event.type == EventType.MITIGATION_REFUSED and data.get("status") in CONFIRMED:
        return "extension"
    if _is_proposal(event):
        return _text(data.get("kind"))
    return _text(data.get("why") or data.get("ended_by"))


def _reason(event: Event, request: MitigationRequest | None, told: Happened) -> str:
    if told.kind == NoticeKind.MENTIONED:
        return _text(event.data.get("text"))
    if told.kind == NoticeKind.APPROVAL_WANTED and request is not None:
        return _text(request.reason)
    return _text(event.data.get("reason"))


def _text(value: object) -> str:
    """Empty for what an earlier release did not write."""
    return "" if value is None else str(value)[:MAX_TEXT]


def _approval_ends(request: MitigationRequest | None, told: Happened) -> datetime | None:
    approval = request.approval_row if request else None
    return approval.expires_at if approval and told.kind == NoticeKind.APPROVAL_WANTED else None
