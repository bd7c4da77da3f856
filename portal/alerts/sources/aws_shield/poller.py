"""Poll AWS Shield Advanced: ListAttacks names the attacks, DescribeAttack describes each.

The API speaks JSON 1.1, at one address for all regions. botocore signs the calls (Signature
Version 4, with the time of this machine); the portal makes them itself, with its own limits.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from portal.alerts.alert import UnmappableError
from portal.alerts.fields import Fields, printable
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

URL: Final = "https://shield.us-east-1.amazonaws.com/"
REGION: Final = "us-east-1"
SERVICE: Final = "shield"
PER_PAGE: Final = 100
MAX_PAGES: Final = 5
"""in one poll; the next poll continues behind them"""
MAX_DESCRIBED: Final = 20
"""Attacks in one poll; the next poll describes the others."""
PER_PAYLOAD: Final = 10
OVERLAP: Final = timedelta(hours=1)
"""An attack may be listed this much later than it began."""
LOOK_BACK: Final = timedelta(days=1)
"""The first poll also reads attacks that began this long before and have not ended."""
_TARGET: Final = "AWSShield_20160616."
_BUSY: Final = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException"})
_REFUSED: Final = frozenset({
    "AccessDeniedException", "ExpiredTokenException", "IncompleteSignature",
    "IncompleteSignatureException", "InvalidClientTokenId", "InvalidSignatureException",
    "MissingAuthenticationTokenException", "SignatureDoesNotMatch", "SubscriptionRequiredException",
    "UnrecognizedClientException",
})  # fmt: skip


@dataclass(slots=True)
class _Listed:
    """The attacks that began since a time."""

    latest: datetime
    "when the newest of them began"
    page: str
    "where the list continues; empty: it ended"
    ids: list[str] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    "those of them that have ended"


@dataclass(slots=True)
class _Told:
    """What DescribeAttack said."""

    answers: list[object] = field(default_factory=list)
    ongoing: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    "ids that wait for the next poll"


def converse(account: PollAccount, cursor: PollCursor, now: datetime) -> Conversation:
    """Each attack until its end was read: new ones first, then those described longest ago."""
    since = cursor.since or now
    listed = _Listed(cursor.latest or since, cursor.page)
    back = OVERLAP if cursor.since else LOOK_BACK
    yield from _list(account, listed, since - back)
    # An attack that was over before the first poll is history.
    ended = (*cursor.ended, *(() if cursor.since else listed.over))
    known = {*cursor.ongoing, *ended}
    new = [one for one in dict.fromkeys(listed.ids) if one not in known]
    told = yield from _describe(account, [*new, *cursor.ongoing])
    return Polled(
        payloads=tuple(map(as_payload, payloads(told.answers, PER_PAYLOAD))),
        cursor=PollCursor(
            since=since if listed.page else listed.latest,
            latest=listed.latest if listed.page else None,
            page=listed.page,
            ongoing=newest([*told.left, *told.ongoing]),
            ended=newest([*ended, *told.ended]),
        ),
    )


def _list(
    account: PollAccount, listed: _Listed, since: datetime
) -> Generator[PollCall, bytes, None]:
    """Fill `listed` from its page on."""
    wanted: dict[str, Any] = {
        "StartTime": {"FromInclusive": int(since.timestamp())},
        "MaxResults": PER_PAGE,
    }
    for _ in range(MAX_PAGES):
        more = {"NextToken": listed.page} if listed.page else {}
        answer = read_answer((yield _call(account, "ListAttacks", wanted | more)))
        try:
            for one in answer.children("AttackSummaries"):
                listed.ids.append(one.needed("AttackId"))
                listed.latest = max(listed.latest, one.time("StartTime") or listed.latest)
                if one.time("EndTime"):
                    listed.over.append(listed.ids[-1])
            listed.page = answer.text("NextToken", longest=4096)
        except UnmappableError as error:
            raise PollFailedError(PollProblem.BAD_ANSWER, error.field) from None
        if not listed.page:
            break


def _describe(account: PollAccount, waiting: list[str]) -> Generator[PollCall, bytes, _Told]:
    """An attack that AWS does not know any more is not asked for again."""
    told = _Told(left=waiting[MAX_DESCRIBED:])
    for place, attack_id in enumerate(waiting[:MAX_DESCRIBED]):
        try:
            answer = yield _call(account, "DescribeAttack", {"AttackId": attack_id})
        except PollFailedError as error:
            if error.problem is PollProblem.BUSY and told.answers:
                told.left = [*waiting[place:MAX_DESCRIBED], *told.left]
                break
            if error.problem is not PollProblem.BAD_ANSWER:
                raise
            told.ended.append(attack_id)
            continue
        attack = read_answer(answer)
        told.answers.append(attack.as_dict())
        (told.ended if _is_over(attack) else told.ongoing).append(attack_id)
    return told


def _is_over(answer: Fields) -> bool:
    """What cannot be read counts as over: it is rejected once when it is mapped."""
    try:
        return answer.child("Attack").time("EndTime") is not None
    except UnmappableError:
        return True


def _call(account: PollAccount, operation: str, body: Mapping[str, Any]) -> PollCall:
    request = AWSRequest(
        method="POST",
        url=URL,
        data=json.dumps(body).encode(),
        headers={
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"{_TARGET}{operation}",
        },
    )
    credentials = Credentials(account.key_id, account.secret)
    SigV4Auth(credentials, SERVICE, REGION).add_auth(request)
    return PollCall(
        method="POST", url=URL, headers=tuple(request.headers.items()), body=request.data
    )


def why(status: int, headers: Mapping[str, str], body: bytes) -> PollFailedError:
    """AWS names the error in the body, mostly with the status 400."""
    found = why_by_status(status, headers, body)
    try:
        answer = read_answer(body)
        name = answer.text("__type").rpartition("#")[2]
        message = printable(answer.text("message") or answer.text("Message"), 120)
    except (PollFailedError, UnmappableError):
        return found
    if not name:
        return found
    problem = found.problem
    if name in _BUSY:
        problem = PollProblem.BUSY
    elif name in _REFUSED:
        problem = PollProblem.REFUSED
    detail = f"{found.detail}, {name}" + (f": {message}" if message else "")
    return PollFailedError(problem, detail, retry_after_s=found.retry_after_s)


POLLER: Final = Poller(converse=converse, why=why, every_s=60, has_url=False, has_key_id=True)
