from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Any, Final

import pytest
from django.utils import timezone

from portal.alerts.models import AlertEndpoint, AlertPayload, AlertPoll
from portal.alerts.polling import MAX_TOLD, PollCursor, PollProblem, newest
from portal.alerts.services import poll as polling
from portal.alerts.sources.aws_shield import poller as aws_shield
from portal.alerts.sources.sightline import poller as sightline_poller
from portal.core import secrets
from portal.organizations.models import Organization
from tests.portal.alerts.detector_apis import Answer, Call, Shield
from tests.portal.alerts.polled import LONG, PolledShield, PolledSightline, poll, told

TARGET: Final = "203.0.113.7"


def test_an_attack_repeats_while_it_lasts_and_ends_once(sightline: PolledSightline) -> None:
    now = timezone.now()
    sightline.api.begin("1", TARGET, now)
    poll(sightline.endpoint)
    poll(sightline.endpoint)
    sightline.api.end("1", now + timedelta(minutes=1))
    for _ in range(3):
        poll(sightline.endpoint)

    assert told() == [("1", "end", 3)]


def test_an_attack_between_two_polls_arrives(sightline: PolledSightline) -> None:
    poll(sightline.endpoint)
    sightline.api.begin("1", TARGET, timezone.now())
    sightline.api.end("1", timezone.now())
    poll(sightline.endpoint)

    assert told() == [("1", "end", 1)]


def test_an_attack_that_begins_again_ends_again(sightline: PolledSightline) -> None:
    now = timezone.now()
    alert = sightline.api.begin("1", TARGET, now)
    sightline.api.end("1", now)
    poll(sightline.endpoint)
    alert["attributes"] |= {"ongoing": True, "stop_time": None}
    poll(sightline.endpoint)
    sightline.api.end("1", now + timedelta(seconds=9))
    poll(sightline.endpoint)

    assert AlertPayload.objects.count() == 3


def test_the_clock_of_the_detector_may_be_wrong(sightline: PolledSightline) -> None:
    poll(sightline.endpoint)
    ahead = timezone.now() + timedelta(hours=3)
    for name in ("1", "2"):
        sightline.api.begin(name, TARGET, ahead)
        sightline.api.end(name, ahead)
        poll(sightline.endpoint)
    sightline.api.begin("3", TARGET, ahead)
    sightline.api.end("3", ahead - timedelta(minutes=1))
    poll(sightline.endpoint)

    assert told() == [(name, "end", 1) for name in "123"]


def test_a_long_list_is_read_over_several_polls(
    sightline: PolledSightline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sightline_poller, "PER_PAGE", 2)
    monkeypatch.setattr(sightline_poller, "MAX_PAGES", 2)
    poll(sightline.endpoint)
    for number in range(11):
        sightline.api.begin(f"{number:02}", TARGET, timezone.now())
        sightline.api.end(f"{number:02}", timezone.now())
    before = len(sightline.api.calls)
    for _ in range(3):
        poll(sightline.endpoint)

    assert told() == [(f"{number:02}", "end", 1) for number in range(11)]
    assert len(sightline.api.calls) - before == 3 + 2 + 2 + 2


def test_the_link_to_the_next_page_is_not_followed(
    sightline: PolledSightline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sightline_poller, "PER_PAGE", 1)
    for name in ("1", "2"):
        sightline.api.begin(name, TARGET, timezone.now())
    poll(sightline.endpoint)

    assert told() == [("1", "start", 1), ("2", "start", 1)]


def test_an_attack_on_aws_is_described_until_its_end(shield: PolledShield) -> None:
    now = timezone.now()
    shield.api.begin("a", TARGET, now - timedelta(minutes=9))
    poll(shield.endpoint)
    poll(shield.endpoint)
    shield.api.end("a", now)
    for _ in range(3):
        poll(shield.endpoint)

    assert told() == [("a", "end", 3)]
    assert operations(shield.api) == ["ListAttacks", "DescribeAttack"] * 3 + ["ListAttacks"] * 2


def test_an_attack_that_was_over_before_the_first_poll_of_aws_is_not_an_alert(
    shield: PolledShield,
) -> None:
    hour = timedelta(hours=1)
    shield.api.begin("over", TARGET, timezone.now() - 3 * hour)
    shield.api.end("over", timezone.now() - 2 * hour)
    shield.api.begin("ongoing", TARGET, timezone.now() - 3 * hour)
    poll(shield.endpoint)

    assert told() == [("ongoing", "start", 1)]


def test_many_attacks_on_aws_are_described_over_several_polls(
    shield: PolledShield, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_shield, "MAX_DESCRIBED", 2)
    monkeypatch.setattr(aws_shield, "MAX_PAGES", 1)
    shield.api.per_page = 3
    for name in "abcde":
        shield.api.begin(name, TARGET, timezone.now())
    for _ in range(3):
        poll(shield.endpoint)

    assert told() == [("a", "start", 2), *((name, "start", 1) for name in "bcde")]


def test_an_attack_that_aws_forgot_does_not_stop_the_others(shield: PolledShield) -> None:
    shield.api.begin("a", TARGET, timezone.now())
    shield.api.begin("b", TARGET, timezone.now())
    poll(shield.endpoint)
    del shield.api.attacks["a"]
    row = poll(shield.endpoint)

    assert told() == [("a", "start", 1), ("b", "start", 2)]
    assert (row.problem, row.cursor.ongoing) == ("", ("b",))


def test_aws_that_becomes_busy_is_asked_for_the_rest_later(shield: PolledShield) -> None:
    for name in "abc":
        shield.api.begin(name, TARGET, timezone.now())
    shield.api.described = 1
    first = poll(shield.endpoint)
    shield.api.described = None
    poll(shield.endpoint)

    assert (first.problem, first.cursor.ongoing) == ("", ("b", "c", "a"))
    assert told() == [("a", "start", 2), ("b", "start", 1), ("c", "start", 1)]


PROBLEMS: Final[list[tuple[Answer, PollProblem]]] = [
    (Answer(401), PollProblem.REFUSED),
    (Answer(403), PollProblem.REFUSED),
    (Answer(429), PollProblem.BUSY),
    (Answer(500), PollProblem.SERVER_FAILED),
    (Answer(503), PollProblem.SERVER_FAILED),
    (Answer(302, headers=(("Location", "http://127.0.0.1/"),)), PollProblem.REDIRECTED),
    (Answer(404), PollProblem.BAD_ANSWER),
    (Answer(204), PollProblem.BAD_ANSWER),
    (Answer(200, b""), PollProblem.BAD_ANSWER),
    (Answer(200, b"<html>"), PollProblem.BAD_ANSWER),
    (Answer(200, b"[]"), PollProblem.BAD_ANSWER),
    (Answer(200, b"7"), PollProblem.BAD_ANSWER),
    (Answer(200, b"\xff\0"), PollProblem.BAD_ANSWER),
    (Answer(200, b"[" * 100_000), PollProblem.BAD_ANSWER),
    (Answer(200, b'{"data":7}'), PollProblem.BAD_ANSWER),
    (Answer(200, b'{"data":[7]}'), PollProblem.BAD_ANSWER),
    (Answer(200, b'{"data":[{}]}'), PollProblem.BAD_ANSWER),
    (Answer(200, b" " * (polling.MAX_ANSWER_BYTES + 1)), PollProblem.TOO_LONG),
]


@pytest.mark.parametrize(("answer", "problem"), PROBLEMS)
def test_a_bad_answer_is_a_problem_and_nothing_is_saved(
    sightline: PolledSightline, answer: Answer, problem: PollProblem
) -> None:
    sightline.api.instead = [answer]
    row = poll(sightline.endpoint)

    assert (row.problem, row.failures, row.last_success_at) == (problem, 1, None)
    assert not AlertPayload.objects.exists()

    sightline.api.begin("1", TARGET, timezone.now())
    row = poll(sightline.endpoint)

    assert (row.problem, row.failures) == ("", 0)
    assert told() == [("1", "start", 1)]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("UnrecognizedClientException", PollProblem.REFUSED),
        ("com.amazon.coral.service#AccessDeniedException", PollProblem.REFUSED),
        ("ThrottlingException", PollProblem.BUSY),
        ("InvalidParameterException", PollProblem.BAD_ANSWER),
    ],
)
def test_aws_names_its_errors_in_the_body(
    shield: PolledShield, name: str, problem: PollProblem
) -> None:
    body = json.dumps({"__type": name, "message": "Because."}).encode()
    shield.api.instead = [Answer(400, body)]
    row = poll(shield.endpoint)

    assert row.problem == problem
    assert row.detail == f"HTTP 400, {name.rpartition('#')[2]}: Because."


def test_a_wrong_key_is_refused_by_the_signature(shield: PolledShield) -> None:
    AlertPoll.objects.update(secret=secrets.encrypt(b"another"))

    assert poll(shield.endpoint).problem == PollProblem.REFUSED


def test_a_wrong_token_is_refused(sightline: PolledSightline) -> None:
    AlertPoll.objects.update(secret=secrets.encrypt(b"another"))

    assert poll(sightline.endpoint).problem == PollProblem.REFUSED


def test_a_private_address_is_not_contacted(sightline: PolledSightline, settings: Any) -> None:
    settings.PORTAL_ALERT_NETWORKS = []
    row = poll(sightline.endpoint)

    assert (row.problem, sightline.api.calls) == (PollProblem.NOT_ALLOWED, [])


def test_a_secret_without_its_key_is_a_problem(sightline: PolledSightline) -> None:
    AlertPoll.objects.update(secret=b"nonsense")

    assert poll(sightline.endpoint).problem == PollProblem.SECRET_UNREADABLE


def test_a_defect_is_a_problem_of_one_poll(
    sightline: PolledSightline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "account_of", lambda _: 1 / 0)
    row = poll(sightline.endpoint)

    assert (row.problem, row.claim) == (PollProblem.PORTAL_FAILED, None)


def test_a_closed_port_is_a_problem(sightline: PolledSightline) -> None:
    AlertPoll.objects.update(url="http://127.0.0.1:9")

    assert poll(sightline.endpoint).problem == PollProblem.UNREACHABLE


def test_failures_double_the_pause_within_a_limit(sightline: PolledSightline) -> None:
    pauses = []
    for _ in range(9):
        sightline.api.instead = [Answer(500)]
        row = poll(sightline.endpoint)
        pauses.append((row.due_at - timezone.now()).total_seconds())

    assert pauses == pytest.approx([40, 80, 160, 320, 640, 1280, *[1800] * 3], rel=0.15)
    row = poll(sightline.endpoint)
    assert (row.due_at - timezone.now()).total_seconds() == pytest.approx(20, rel=0.15)


@pytest.mark.parametrize(
    ("wait", "pause_s"), [("900", 900), ("9999999", 40), ("-5", 40), ("soon", 40), ("999999", 1800)]
)
def test_the_detector_says_when_to_ask_again(
    sightline: PolledSightline, wait: str, pause_s: int
) -> None:
    sightline.api.instead = [Answer(429, headers=(("Retry-After", wait),))]
    row = poll(sightline.endpoint)

    assert (row.due_at - timezone.now()).total_seconds() == pytest.approx(pause_s, rel=0.15)


def test_a_list_whose_place_is_forgotten_begins_again(shield: PolledShield) -> None:
    begun = timezone.now()
    AlertPoll.objects.update(cursor=PollCursor(since=begun, latest=begun, page="token-old"))
    shield.api.begin("a", TARGET, begun)
    shield.api.instead = [Answer(400, b'{"__type":"InvalidParameterException"}')]
    assert poll(shield.endpoint).cursor.page == ""
    poll(shield.endpoint)

    assert told() == [("a", "start", 1)]


@pytest.mark.parametrize("state", ["switched off", "closed", "not due", "claimed"])
def test_only_what_is_due_is_polled(
    sightline: PolledSightline, acme: Organization, state: str
) -> None:
    now = timezone.now()
    AlertPoll.objects.update(due_at=now - LONG)
    if state == "switched off":
        AlertEndpoint.objects.update(is_enabled=False)
    elif state == "closed":
        Organization.objects.filter(pk=acme.pk).update(is_active=False)
    elif state == "not due":
        AlertPoll.objects.update(due_at=now + timedelta(seconds=1))
    else:
        AlertPoll.objects.update(claimed_until=now + timedelta(seconds=1))

    assert polling.poll_due(polling.alert_network(), now) == 0
    assert sightline.api.calls == []


def test_a_poll_of_former_settings_saves_nothing(
    sightline: PolledSightline, monkeypatch: pytest.MonkeyPatch
) -> None:
    sightline.api.begin("1", TARGET, timezone.now())
    answer = sightline.api.answer

    def change_and_answer(call: Call) -> Answer:
        sightline.api.answer = answer  # type: ignore[method-assign]
        return answer(call)

    monkeypatch.setattr(sightline.api, "answer", change_and_answer)
    real = polling._save

    def save(found: polling.EndedPoll) -> bool:
        AlertPoll.objects.update(claim=None)
        return real(found)

    monkeypatch.setattr(polling, "_save", save)
    row = poll(sightline.endpoint)

    assert (told(), row.cursor) == ([], PollCursor())


class KilledError(BaseException):
    """The worker ends here."""


@contextmanager
def killed_after(lines: int) -> Iterator[list[int]]:
    """Raise KilledError before that line of the poll's code. Its argument counts the lines."""
    count = [0]

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != polling.__file__:
            return None
        if event == "line":
            count[0] += 1
            if count[0] == lines:
                raise KilledError
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield count
    finally:
        sys.settrace(before)


def test_a_worker_that_is_killed_at_any_line_loses_and_doubles_nothing(
    sightline: PolledSightline,
) -> None:
    poll(sightline.endpoint)
    with killed_after(0) as count:
        poll(sightline.endpoint)
    assert count[0] > 50

    for line in range(1, count[0] + 20):
        name = f"{line:04}"
        sightline.api.begin(name, TARGET, timezone.now())
        sightline.api.end(name, timezone.now())
        try:
            with killed_after(line):
                poll(sightline.endpoint)
        except KilledError:
            AlertPoll.objects.update(claimed_until=timezone.now() - LONG)
        poll(sightline.endpoint, timezone.now())

    found = told()
    assert found == [(f"{line:04}", "end", 1) for line in range(1, count[0] + 20)]


def test_a_cursor_is_bounded() -> None:
    ids = [str(number) for number in range(2 * MAX_TOLD)]

    assert newest([*ids, "5"]) == (*ids[MAX_TOLD + 1 :], "5")


def operations(api: Shield) -> list[str]:
    return [one.headers["x-amz-target"].partition(".")[2] for one in api.calls]
