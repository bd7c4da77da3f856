"""Ask the detectors that the portal polls.

A poll is claimed, made, and saved: its payloads and its cursor in one transaction. A worker that is
killed before that has changed nothing but the claim, which expires, and the next poll begins at the
same cursor. After that transaction the cursor is behind what was saved.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

import dns.exception
import h11
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from portal.alerts.mapping import AlertSource
from portal.alerts.models import MAX_POLL_DETAIL_LENGTH, AlertPayload, AlertPoll
from portal.alerts.pollers import POLLERS
from portal.alerts.polling import (
    MAX_CALLS,
    Conversation,
    PollAccount,
    PollCall,
    Polled,
    Poller,
    PollFailedError,
    PollProblem,
    at_first_page,
)
from portal.core import secrets
from portal.core.errors import SecretUnreadable
from portal.core.sweeping import count_done
from portal.ownership.chosen_url import (
    AddressRefusedError,
    NoAddressError,
    UrlCall,
    network_with,
    send_to,
)
from portal.ownership.evidence import Network
from portal.ownership.http_exchange import HttpAnswer

logger = logging.getLogger(__name__)

POLLS_AT_ONCE: Final = 20
"""in one task; a second task begins when these have ended"""
CALL_TIMEOUT_S: Final = 10.0
POLL_TIMEOUT_S: Final = 45.0
CLAIMED_FOR: Final = timedelta(seconds=90)
"""A claim that is older was lost with its worker."""
MAX_ANSWER_BYTES: Final = 1024 * 1024
MAX_PAUSE_S: Final = 1800
"""between two polls, however often they failed"""
MAX_DOUBLINGS: Final = 8
_JITTER: Final = 0.1
"""of a pause, more or less: polls of many endpoints spread"""
_random: Final = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class EndedPoll:
    """What a poll said, or why it failed."""

    poll: AlertPoll
    result: Polled | PollFailedError


def alert_network() -> Network:
    """The public internet, and PORTAL_ALERT_NETWORKS."""
    return network_with(settings.PORTAL_ALERT_NETWORKS)


def poll_due(network: Network, now: datetime) -> int:
    """Make the polls that are due. Returns how many succeeded."""
    return count_done(_save, _ask_all(_claim(now), network))


@transaction.atomic
def _claim(now: datetime) -> list[AlertPoll]:
    """Those that wait longest; none while another task polls."""
    if AlertPoll.objects.filter(claimed_until__gt=now).exists():
        return []
    skip = connection.features.has_select_for_update_skip_locked
    due = (
        AlertPoll.objects.select_for_update(skip_locked=skip, of=("self",) if skip else ())
        .filter(due_at__lte=now, endpoint__is_enabled=True, organization__is_active=True)
        .select_related("endpoint")
        .order_by("due_at", "pk")[:POLLS_AT_ONCE]
    )
    claimed = list(due)
    for one in claimed:
        one.claim, one.claimed_until = uuid4(), now + CLAIMED_FOR
        one.save(update_fields=["claim", "claimed_until"])
    return claimed


def _ask_all(polls: Sequence[AlertPoll], network: Network) -> Iterator[EndedPoll]:
    """Each as soon as it has ended, so that a slow detector does not delay the others' alerts."""
    if not polls:
        return
    with asyncio.Runner() as runner:
        pending = runner.run(_begin(polls, network))
        while pending:
            ended, pending = runner.run(_wait(pending))
            yield from (one.result() for one in ended)


async def _begin(polls: Sequence[AlertPoll], network: Network) -> set[asyncio.Task[EndedPoll]]:
    return {asyncio.create_task(_ask(one, network)) for one in polls}


async def _wait(
    tasks: set[asyncio.Task[EndedPoll]],
) -> tuple[set[asyncio.Task[EndedPoll]], set[asyncio.Task[EndedPoll]]]:
    return await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


async def _ask(poll: AlertPoll, network: Network) -> EndedPoll:
    poller = POLLERS[AlertSource(poll.endpoint.source)]
    try:
        async with asyncio.timeout(POLL_TIMEOUT_S):
            conversation = poller.converse(account_of(poll), poll.cursor, timezone.now())
            return EndedPoll(poll, await _converse(conversation, poller, network))
    except PollFailedError as error:
        return EndedPoll(poll, error)
    except TimeoutError:
        detail = f"not complete after {POLL_TIMEOUT_S:.0f} s"
        return EndedPoll(poll, PollFailedError(PollProblem.NO_ANSWER, detail))
    except Exception:
        # A defect of one poll must not stop the others, nor be made again at once.
        logger.exception("endpoint %s cannot be polled", poll.pk)
        return EndedPoll(poll, PollFailedError(PollProblem.PORTAL_FAILED))


def account_of(poll: AlertPoll) -> PollAccount:
    """:raises PollFailedError: no key fits the secret."""
    try:
        secret = secrets.decrypt(poll.secret).decode()
    except SecretUnreadable:
        raise PollFailedError(PollProblem.SECRET_UNREADABLE) from None
    return PollAccount(url=poll.url, key_id=poll.key_id, secret=secret)


async def _converse(conversation: Conversation, poller: Poller, network: Network) -> Polled:
    try:
        call = next(conversation)
        for _ in range(MAX_CALLS):
            try:
                body = judged(await answer_to(call, network), poller)
            except PollFailedError as error:
                call = conversation.throw(error)
            else:
                call = conversation.send(body)
    except StopIteration as end:
        polled: Polled = end.value
        return polled
    finally:
        conversation.close()
    raise PollFailedError(PollProblem.BAD_ANSWER, f"more than {MAX_CALLS} calls")


def judged(answer: HttpAnswer, poller: Poller) -> bytes:
    """The body.

    :raises PollFailedError: it is too long, or its status is not 200.
    """
    if answer.body is None:
        raise PollFailedError(PollProblem.TOO_LONG, f"more than {MAX_ANSWER_BYTES:,} bytes")
    if answer.status != 200:
        headers = {name.lower(): value for name, value in answer.headers}
        raise poller.why(answer.status, headers, answer.body)
    return answer.body


async def answer_to(call: PollCall, network: Network) -> HttpAnswer:
    """:raises PollFailedError: there is none."""
    sent = UrlCall(method=call.method, url=call.url, headers=call.headers, body=call.body)
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return await send_to(sent, network, max_body=MAX_ANSWER_BYTES)
    except TimeoutError:
        detail = f"after {CALL_TIMEOUT_S:.0f} s"
        raise PollFailedError(PollProblem.NO_ANSWER, detail) from None
    except AddressRefusedError as error:
        raise PollFailedError(PollProblem.NOT_ALLOWED, str(error)) from None
    except NoAddressError:
        raise PollFailedError(PollProblem.UNREACHABLE, "the name has no address") from None
    except ssl.SSLCertVerificationError as error:
        raise PollFailedError(PollProblem.BAD_CERTIFICATE, error.verify_message) from None
    except (OSError, EOFError, dns.exception.DNSException) as error:
        raise PollFailedError(PollProblem.UNREACHABLE, type(error).__name__) from None
    except (h11.RemoteProtocolError, h11.LocalProtocolError) as error:
        raise PollFailedError(PollProblem.BAD_ANSWER, type(error).__name__) from None


@transaction.atomic
def _save(found: EndedPoll) -> bool:
    """Whether the poll succeeded. What an endpoint said that was changed meanwhile is dropped."""
    now = timezone.now()
    own = AlertPoll.objects.select_for_update(no_key=True)
    row = own.filter(pk=found.poll.pk, claim=found.poll.claim).first()
    if row is None:
        return False
    row.claim = row.claimed_until = None
    row.last_poll_at = now
    if isinstance(found.result, PollFailedError):
        _note_failure(row, found.result)
    else:
        _keep(row, found.result, now)
    row.due_at = now + _pause(found, row.failures)
    row.save()
    return row.failures == 0


def _note_failure(row: AlertPoll, error: PollFailedError) -> None:
    row.failures += 1
    row.problem, row.detail = error.problem, error.detail[:MAX_POLL_DETAIL_LENGTH]
    if error.problem is PollProblem.BAD_ANSWER:
        row.cursor = at_first_page(row.cursor)


def _keep(row: AlertPoll, polled: Polled, now: datetime) -> None:
    AlertPayload.objects.bulk_create(
        AlertPayload(
            organization_id=row.organization_id,
            endpoint_id=row.endpoint_id,
            received_at=now + timedelta(microseconds=number),
            body=body,
        )
        for number, body in enumerate(polled.payloads)
    )
    row.cursor = polled.cursor
    row.last_success_at = now
    row.failures, row.problem, row.detail = 0, "", ""


def _pause(found: EndedPoll, failures: int) -> timedelta:
    """It doubles with each failure, and is as long as the detector asks for, within limits."""
    seconds = POLLERS[AlertSource(found.poll.endpoint.source)].every_s * 2.0 ** min(
        failures, MAX_DOUBLINGS
    )
    if isinstance(found.result, PollFailedError):
        seconds = max(seconds, found.result.retry_after_s or 0)
    jitter = _random.uniform(1 - _JITTER, 1 + _JITTER)
    return timedelta(seconds=min(seconds, MAX_PAUSE_S) * jitter)
