"""Ask a polled detector once, to show what it answers. Nothing of it is saved."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Final

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.alerts.fields import printable
from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertEndpoint, AlertPoll
from portal.alerts.pollers import POLLERS
from portal.alerts.polling import PollCursor, PollFailedError, PollProblem
from portal.alerts.services.poll import account_of, answer_to, judged
from portal.alerts.services.poll_settings import poll_of
from portal.audit.recording import record_row
from portal.audit.verbs import Verb
from portal.core.errors import Conflict, Unavailable
from portal.core.throttle import Limit, count
from portal.organizations.access import require_current_role
from portal.organizations.models import Role
from portal.ownership.evidence import Network

TESTS: Final = Limit(
    name="alert-poll-tests",
    tries=10,
    window_s=60,
    message="Too many tests of detectors in a minute.",
)
"""of one organization: the portal is not a scanner for its customers"""
MAX_TESTS_AT_ONCE: Final = 2
"""In one web process: detectors that hang must not take all threads."""
MAX_CHARACTERS: Final = 2_000
"""of an answer that are shown"""
_tests: Final = BoundedSemaphore(MAX_TESTS_AT_ONCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PollTest:
    """What the detector answered to the first call of a poll."""

    url: str
    "that was called"
    status: int | None = None
    "None: there was no answer"
    problem: PollProblem | None = None
    "None: the next poll will work"
    detail: str = ""
    text: str = ""
    "the beginning of the answer"


def try_poll(*, endpoint: AlertEndpoint, actor: Actor, network: Network) -> PollTest:
    """Conflict if the portal does not poll it; Throttled or Unavailable if too many tests run."""
    poll = _begin(endpoint, actor)
    count(TESTS, str(endpoint.organization_id))
    if not _tests.acquire(blocking=False):
        raise Unavailable("Other tests run now. Try again in some seconds.")
    try:
        return asyncio.run(_ask(poll, AlertSource(endpoint.source), network))
    finally:
        _tests.release()


@transaction.atomic
def _begin(endpoint: AlertEndpoint, actor: Actor) -> AlertPoll:
    require_current_role(endpoint.organization_id, actor, Role.ADMIN)
    poll = poll_of(endpoint)
    if poll is None:
        raise Conflict("The portal does not poll this detector.", code="not-polled")
    record_row(Verb.ALERT_ENDPOINT_TESTED, endpoint, actor)
    return poll


async def _ask(poll: AlertPoll, source: AlertSource, network: Network) -> PollTest:
    poller = POLLERS[source]
    url, status, text = poll.url, None, ""
    try:
        conversation = poller.converse(account_of(poll), PollCursor(), timezone.now())
        call = next(conversation)
        url = call.url
        answer = await answer_to(call, network)
        status = answer.status
        text = printable((answer.body or b"").decode(errors="replace"), MAX_CHARACTERS)
        # A conversation that continues, or ends, could read the answer.
        conversation.send(judged(answer, poller))
    except StopIteration:
        pass
    except PollFailedError as error:
        return PollTest(
            url=url, status=status, problem=error.problem, detail=error.detail, text=text
        )
    return PollTest(url=url, status=status, text=text)
