"""Poll Sightline: the alerts of its REST API, version 7 (JSON:API).

Two lists make a poll: the alerts that are ongoing, and those that stopped since the last one that
is known. The second has what began and stopped between two polls too.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, urlencode

from portal.alerts.alert import UnmappableError
from portal.alerts.fields import Fields
from portal.alerts.polling import (
    Conversation,
    PollAccount,
    PollCall,
    PollCursor,
    Polled,
    Poller,
    PollFailedError,
    PollProblem,
    as_payload,
    newest,
    payloads,
    read_answer,
    why_by_status,
)

PATH: Final = "/api/sp/v7/alerts/"
PER_PAGE: Final = 50
MAX_PAGES: Final = 5
"""of each list in one poll; the next poll continues behind them"""
OVERLAP: Final = timedelta(minutes=5)
"""A stop may be written this much later than its time says."""
_ATTACK: Final = "/data/attributes/alert_class=dos"

Page = tuple[list[dict[str, object]], str]
"""Alerts, and the number of the page behind them, if there is one."""


def converse(account: PollAccount, cursor: PollCursor, now: datetime) -> Conversation:
    """The ongoing alerts each time, so that their incidents do not become quiet; the end of each
    once.
    """
    ongoing, ongoing_page = yield from _pages(
        account, "/data/attributes/ongoing=true", cursor.ongoing_page
    )
    since = cursor.since or now
    stopped, page = yield from _pages(
        account,
        f"/data/attributes/stop_time>{_utc(since - OVERLAP)}",
        cursor.page,
    )
    again = {_id(one) for one in ongoing}
    told = [one for one in cursor.ended if one not in again]
    stops = {_id(one): stop for one in stopped if (stop := _stop(one))}
    news = [one for one in stopped if _id(one) not in told]
    latest = max([cursor.latest or since, *stops.values()])
    return Polled(
        payloads=tuple(as_payload({"data": some}) for some in payloads(ongoing + news, PER_PAGE)),
        cursor=replace(
            cursor,
            since=since if page else latest,
            latest=latest if page else None,
            page=page,
            ongoing_page=ongoing_page,
            ended=newest([*told, *stops]),
        ),
    )


def _pages(account: PollAccount, which: str, first: str) -> Generator[PollCall, bytes, Page]:
    found: list[dict[str, object]] = []
    page = first or "1"
    for _ in range(MAX_PAGES):
        alerts, following = _read((yield _call(account, which, page)), page)
        found += alerts
        page = following
        if not page:
            break
    return found, page


def _call(account: PollAccount, which: str, page: str) -> PollCall:
    query = urlencode(
        {"filter": f"{_ATTACK} AND {which}", "perPage": PER_PAGE, "page": page}, quote_via=quote
    )
    return PollCall(
        url=f"{account.url}{PATH}?{query}",
        headers=(
            ("X-Arbux-APIToken", account.secret),
            ("Accept", "application/vnd.api+json, application/json"),
        ),
    )


def _read(body: bytes, page: str) -> Page:
    """A link to the next page only says that there is one: its address could be anyone's."""
    answer = read_answer(body)
    try:
        alerts = [one for one in answer.children("data") if one.needed("id")]
        has_more = bool(alerts) and "next" in answer.child("links")
    except UnmappableError as error:
        raise PollFailedError(PollProblem.BAD_ANSWER, error.field) from None
    return [one.as_dict() for one in alerts], str(int(page) + 1) if has_more else ""


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _id(alert: dict[str, object]) -> str:
    return str(alert["id"])


def _stop(alert: dict[str, object]) -> datetime | None:
    """When it stopped. An alert with a strange time is rejected when it is mapped."""
    try:
        return Fields.of(alert).child("attributes").time("stop_time")
    except UnmappableError:
        return None


POLLER: Final = Poller(
    converse=converse, why=why_by_status, every_s=20, has_url=True, has_key_id=False
)
