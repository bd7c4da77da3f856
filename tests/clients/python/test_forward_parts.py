"""The pure parts of `portalctl forward`: lines, rotation, records, windows, payloads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from portalctl.forward.lines import MAX_LINE_BYTES, Lines
from portalctl.forward.rotation import Happened, Place, happened
from portalctl.forward.sources import SOURCES, Seen
from portalctl.forward.window import MAX_KEYS, WINDOW_S, Window, body
from portalctl.pauses import LONGEST_S, pause_s

from portal.alerts.alert import Alert
from portal.alerts.mapping import map_payload
from tests.portal.alerts.fixture_files import PAYLOADS, SETTINGS, source_of

BY_MAPPER = {"nginx": "nginx", "modsecurity": "modsec", "bind": "bind"}
LOGS = [one for one in PAYLOADS if one.parent.name in BY_MAPPER and one.name != "shipped.json"]
MAX_BODY_BYTES = 256 * 1024


def log_lines(payload: Any) -> list[str]:
    text = payload.read_text()
    if payload.suffix == ".txt":
        return list(text.splitlines())
    found = json.loads(text)
    return [json.dumps(one) for one in (found if isinstance(found, list) else [found])]


def meaning(alert: Alert) -> tuple[object, ...]:
    return (alert.event_id, alert.state, alert.targets, alert.vector, alert.severity, alert.text)


@pytest.mark.parametrize("payload", LOGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_portal_reads_the_records_as_it_reads_the_log(payload: Any) -> None:
    source = source_of(payload)
    expected = map_payload(source, payload.read_bytes(), SETTINGS).alerts
    window = Window(0)
    for line in log_lines(payload):
        for seen in SOURCES[BY_MAPPER[source.value]](line):
            window.add(seen)

    mapped = map_payload(source, body(window.take(0)), SETTINGS)

    assert expected
    assert (mapped.rejections, mapped.ignored) == ((), 0)
    assert list(dict.fromkeys(map(meaning, mapped.alerts))) == list(
        dict.fromkeys(map(meaning, expected))
    )


@pytest.mark.parametrize("source", SOURCES)
@given(line=st.text() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_any_line_is_read_or_ignored(source: str, line: str) -> None:
    assert body([dict(seen.record) for seen in SOURCES[source](line)])


@pytest.mark.parametrize(
    "record",
    [
        {"transaction": 7, "audit_data": []},
        {"transaction": {"messages": [7, None, {"details": 7, "message": {}}]}},
        {"transaction": {"request": {"headers": {"Host": ["a"]}}, "messages": {"a": 1}}},
        {"transaction": {}, "audit_data": {"messages": 7}, "request": "x"},
        [[]],
    ],
)
def test_a_record_of_odd_types_is_read_or_ignored(record: Any) -> None:
    for seen in SOURCES["modsec"](json.dumps(record)):
        assert json.loads(body([dict(seen.record)]))


def test_a_deep_record_is_ignored() -> None:
    assert not list(SOURCES["modsec"]("[" * 100_000))


def test_the_largest_payload_is_one_that_the_portal_takes() -> None:
    long = "\U0001f4a5" * 400
    window = Window(0)
    for number in range(MAX_KEYS):
        details = {"ruleId": f"{number:06}{long}", "severity": long}
        transaction = {
            "request": {"headers": {"Host": long}},
            "messages": [{"message": long, "details": details}],
        }
        for seen in SOURCES["modsec"](json.dumps({"transaction": transaction})):
            window.add(seen)

    records = window.take(0)

    assert len(records) == MAX_KEYS
    assert len(body(records)) <= MAX_BODY_BYTES


def test_half_a_surrogate_pair_can_be_sent() -> None:
    assert json.loads(body([{"message": json.loads('"\\ud800"')}])) == [{"message": "?"}]


def test_the_last_seen_key_is_the_last_record() -> None:
    """A limit of BIND that stopped and began again has begun."""
    window = Window(0)
    for key in ("limit", "stop", "limit"):
        window.add(Seen((key,), {"message": key}))

    assert [(one["message"], one["count"]) for one in window.take(0)] == [("stop", 1), ("limit", 2)]


def test_a_window_ends_after_its_time_and_the_next_one_is_empty() -> None:
    window = Window(100)
    window.add(Seen(("a",), {}))

    assert not window.is_over(100 + WINDOW_S - 0.1)
    assert window.is_over(100 + WINDOW_S)
    assert window.take(115) == [{"count": 1}]
    assert window.take(115) == []
    assert not window.is_over(115 + WINDOW_S - 0.1)


@given(
    texts=st.lists(st.binary(max_size=20).map(lambda one: one.replace(b"\n", b""))),
    size=st.integers(1, 30),
)
def test_lines_do_not_depend_on_how_the_bytes_arrive(texts: list[bytes], size: int) -> None:
    stream = b"".join(text + b"\n" for text in texts)
    whole, parts = Lines(), Lines()

    found = [
        line
        for start in range(0, len(stream), size)
        for line in parts.feed(stream[start : start + size])
    ]

    assert found == whole.feed(stream)
    assert len(found) == len(texts)


@pytest.mark.parametrize("size", [1000, MAX_LINE_BYTES, 3 * MAX_LINE_BYTES])
def test_a_line_that_is_too_long_is_counted_once_and_the_next_one_is_read(size: int) -> None:
    stream = b"a\n" + b"x" * (2 * MAX_LINE_BYTES) + b"\nb\n"
    lines = Lines()

    found = [
        line
        for start in range(0, len(stream), size)
        for line in lines.feed(stream[start : start + size])
    ]

    assert (found, lines.too_long) == (["a", "b"], 1)


def test_the_last_line_needs_no_end_and_windows_ends_are_removed() -> None:
    lines = Lines()

    assert lines.feed(b"a\r\nb") == ["a"]
    assert lines.finish() == ["b"]
    assert lines.finish() == []


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (Place(1, 7, 100), Happened.NOTHING),
        (Place(1, 7, 101), Happened.GREW),
        (Place(1, 7, 99), Happened.TRUNCATED),
        (Place(1, 8, 100), Happened.REPLACED),
        (Place(2, 7, 100), Happened.REPLACED),
        (None, Happened.AWAY),
    ],
)
def test_a_rotation_is_seen_by_inode_and_size(found: Place | None, what: Happened) -> None:
    assert happened(Place(1, 7, 100), found) is what


def test_pauses_double_up_to_a_minute_and_differ_by_chance() -> None:
    assert [pause_s(tries, chance=1) for tries in (1, 2, 3, 20)] == [0.5, 1, 2, LONGEST_S]
    assert pause_s(3, chance=0) == 1
    assert [pause_s(1, wanted, chance=0) for wanted in (7, 3600)] == [7, LONGEST_S]
