"""The conversations of polled sources, without a network."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from portal.alerts.alert import MappingSettings
from portal.alerts.mapping import AlertSource, map_payload
from portal.alerts.payload import MAX_RECORDS
from portal.alerts.pollers import POLLERS
from portal.alerts.polling import (
    MAX_CALLS,
    PollAccount,
    PollCall,
    PollCursor,
    Polled,
    PollFailedError,
)
from portal.alerts.sources.aws_shield import poller as aws_shield
from portal.alerts.sources.sightline import poller as sightline
from portal.core.json_value import read_json, write_json
from tests.portal.alerts.test_sources import damaged

ANSWERS: Final = Path(__file__).parent / "answers"
NOW: Final = datetime(2026, 11, 28, 18, 5, tzinfo=UTC)
ACCOUNT: Final = PollAccount(url="https://sightline.example", key_id="A" * 20, secret="s3cret")
EACH: Final = pytest.mark.parametrize("source", sorted(POLLERS))


def answer_to(call: PollCall) -> Any:
    """As the documentation of the API shows it."""
    operation = dict(call.headers).get("X-Amz-Target", "")
    if not operation:
        name = "sightline-alerts"
    elif operation.endswith("ListAttacks"):
        name = "aws-list-attacks"
    else:
        name = "aws-describe-attack"
    return json.loads((ANSWERS / f"{name}.json").read_text())


def converse(
    source: AlertSource, cursor: PollCursor, change: Any = lambda document: document
) -> tuple[Polled, int]:
    """What a poll says, and with how many calls. `change` makes an answer out of the usual one."""
    conversation = POLLERS[source].converse(ACCOUNT, cursor, NOW)
    call, calls = next(conversation), 1
    try:
        while True:
            call = conversation.send(json.dumps(change(answer_to(call))).encode())
            calls += 1
    except StopIteration as end:
        return end.value, calls


@EACH
def test_a_poll_returns_payloads_that_can_be_mapped_and_a_cursor_that_can_be_saved(
    source: AlertSource,
) -> None:
    polled, calls = converse(source, PollCursor())

    mapped = [map_payload(source, one, MappingSettings(received_at=NOW)) for one in polled.payloads]
    assert [one.rejections for one in mapped] == [()] * len(mapped)
    assert {alert.event_id for one in mapped for alert in one.alerts} > set()
    assert read_json(write_json(polled.cursor), PollCursor) == polled.cursor
    assert calls <= MAX_CALLS


@EACH
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_damaged_answer_is_a_problem_or_is_mapped(
    source: AlertSource, data: st.DataObject
) -> None:
    try:
        polled, calls = converse(source, PollCursor(), lambda document: damaged(document, data))
    except PollFailedError as error:
        event(error.problem)
        return
    assert calls <= MAX_CALLS
    for one in polled.payloads:
        assert len(one) < 2**20
        map_payload(source, one, MappingSettings(received_at=NOW))
    again, _ = converse(source, polled.cursor)
    assert again.cursor.since is not None


def test_sightline_is_asked_for_what_is_ongoing_and_for_what_stopped() -> None:
    conversation = sightline.converse(ACCOUNT, PollCursor(since=NOW), NOW)
    first = next(conversation)
    second = conversation.send(b'{"data":[]}')

    assert dict(first.headers)["X-Arbux-APIToken"] == "s3cret"
    asked = [parse_qs(urlsplit(call.url).query)["filter"] for call in (first, second)]
    attacks = "/data/attributes/alert_class=dos AND "
    assert asked == [
        [f"{attacks}/data/attributes/ongoing=true"],
        [f"{attacks}/data/attributes/stop_time>2026-11-28T18:00:00Z"],
    ]


def test_a_poll_is_bounded() -> None:
    assert 2 * sightline.MAX_PAGES <= MAX_CALLS
    assert aws_shield.MAX_PAGES + aws_shield.MAX_DESCRIBED <= MAX_CALLS
    assert max(sightline.PER_PAGE, aws_shield.PER_PAYLOAD) <= MAX_RECORDS


def test_a_list_without_an_end_ends_the_poll() -> None:
    def endless(document: Any) -> Any:
        return document | {"NextToken": "more", "links": {"next": "x"}}

    for source, most in ((AlertSource.SIGHTLINE, 10), (AlertSource.AWS_SHIELD, 7)):
        polled, calls = converse(source, PollCursor(), endless)

        assert calls <= most
        assert polled.cursor.page
