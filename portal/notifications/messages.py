"""A notice as the message that its receiver gets."""

from __future__ import annotations

from typing import Final

from portal.accounts.time_zones import time_zone_of
from portal.core.formatting import full_moment, plural
from portal.core.origins import address_of_portal
from portal.notifications.kinds import DIGEST, NoticeKind
from portal.notifications.message import NoticeMessage, Severity
from portal.notifications.models import Notice
from portal.notifications.receivers import WEB_PUSH
from portal.notifications.wording import MAX_TEXT, NoticeWords, words_of

MAX_DIGEST_LINES: Final = 25
"""Notices that a digest lists; it says how many more there are."""
PAGES: Final = {
    NoticeKind.PROPOSAL: "/alerts",
    NoticeKind.SESSION_DOWN: "/readiness",
    NoticeKind.CERTIFICATE_ENDS: "/settings/providers",
    NoticeKind.DRILL_FAILED: "/readiness/drills",
}
"""The page of the organization, for each kind that is about no request."""


def message_of(notice: Notice) -> NoticeMessage:
    """With `user` and `organization` loaded. Its times are in the person's zone."""
    with time_zone_of(notice.user):
        words = _words(notice)
    return NoticeMessage(
        id=notice.message_id,
        thread=notice.thread,
        opens_thread=notice.opens_thread,
        closes_thread=notice.closes_thread,
        kind=notice.kind,
        severity=Severity(notice.severity),
        title=words.title,
        text=words.text,
        url=url_of(notice),
        occurred_at=notice.occurred_at,
        event=notice.event,
    )


def url_of(notice: Notice) -> str:
    """The page to open."""
    path = f"/organizations/{notice.organization.slug}"
    if notice.request_id is not None:
        part = "/approval" if _waits_for_approval(notice) else ""
        return f"{address_of_portal()}{path}/requests/{notice.request_id}{part}"
    return f"{address_of_portal()}{path}{PAGES.get(notice.kind, '/requests')}"  # type: ignore[call-overload] # any text


def _waits_for_approval(notice: Notice) -> bool:
    return notice.kind == NoticeKind.APPROVAL_WANTED and notice.severity != Severity.RESOLVED


def _words(notice: Notice) -> NoticeWords:
    if notice.kind == DIGEST:
        return _digest_words(notice)
    return words_of(
        notice.kind,
        Severity(notice.severity),
        notice.facts,
        occurred_at=notice.occurred_at,
        with_names=notice.organization.names_in_notices,
        is_locked=notice.channel_kind == WEB_PUSH,
        is_to_person=notice.user_id is not None,
    )


def _digest_words(digest: Notice) -> NoticeWords:
    """The titles of its notices, oldest first."""
    told = digest.digested.select_related("organization", "user").order_by("pk")
    lines = [
        f"{full_moment(one.occurred_at)}: {_words(one).title}" for one in told[:MAX_DIGEST_LINES]
    ]
    more = digest.facts.count - len(lines)
    if more > 0:
        lines.append(f"And {plural(more, 'more notice')}.")
    lines = [line.replace("\u00a0", " ") for line in lines]
    while len("\n".join(lines)) > MAX_TEXT:
        lines.pop()
    return NoticeWords(f"{digest.facts.count} notices", tuple(lines))
