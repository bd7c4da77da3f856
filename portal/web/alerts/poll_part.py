"""How the portal polls a detector, as the page of its endpoint shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.urls import reverse

from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertEndpoint, AlertPoll
from portal.alerts.pollers import POLLERS
from portal.alerts.polling import PollProblem
from portal.alerts.services.try_poll import PollTest
from portal.web.frame import Frame
from portal.wording import alerts as wording


@dataclass(frozen=True, slots=True, kw_only=True)
class PollFields:
    """Which fields the form has."""

    has_url: bool
    has_key_id: bool
    label: str
    "what the secret is called"


_LABELS: Final = {
    AlertSource.SIGHTLINE: "API token",
    AlertSource.AWS_SHIELD: "Secret access key",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PollAnswerShown:
    """What the detector answered to a test."""

    url: str
    says: str
    has_passed: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPart:
    """The account with which the portal asks, and how its last poll went."""

    url: str
    key_id: str
    problem: str
    last_poll_at: datetime | None
    last_success_at: datetime | None
    next_at: datetime | None
    "None: it is switched off"
    is_due: bool
    answer: PollAnswerShown | None
    test: str


def poll_fields(source: AlertSource) -> PollFields | None:
    poller = POLLERS.get(source)
    if poller is None:
        return None
    return PollFields(has_url=poller.has_url, has_key_id=poller.has_key_id, label=_LABELS[source])


def poll_part(start: Frame, endpoint: AlertEndpoint, tested: PollTest | None) -> PollPart | None:
    poll = endpoint.polled
    if poll is None:
        return None
    return PollPart(
        url=poll.url,
        key_id=poll.key_id,
        problem=_problem(poll),
        last_poll_at=poll.last_poll_at,
        last_success_at=poll.last_success_at,
        next_at=poll.due_at if endpoint.is_enabled else None,
        is_due=endpoint.is_enabled and poll.due_at <= start.now,
        answer=_answer(tested) if tested else None,
        test=reverse("alerts:test-poll", args=[start.organization.slug, endpoint.pk]),
    )


def _problem(poll: AlertPoll) -> str:
    return wording.poll_problem(PollProblem(poll.problem), poll.detail) if poll.problem else ""


def _answer(tested: PollTest) -> PollAnswerShown:
    if tested.problem is None:
        says = f"The detector answers HTTP {tested.status}, in the form that the portal reads."
    else:
        says = wording.poll_problem(tested.problem, tested.detail)
    return PollAnswerShown(
        url=tested.url, says=says, has_passed=tested.problem is None, text=tested.text
    )
