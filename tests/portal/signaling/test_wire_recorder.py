"""What the wire tap records of the messages of a session."""

from __future__ import annotations

from typing import Any

import pytest

from dots_client import AnsweredRequest, WireRecord
from portal.signaling.journal import wire_recorder
from portal.signaling.journal.wire_recorder import (
    MessageSubject,
    RecordedMessage,
    SharedCapacity,
    WireRecorder,
    subject_of,
)

PATH = "/.well-known/dots/mitigate/cuid=abc/mid=7"
BEAT = "/.well-known/dots/hb"


def message(direction: str, code: str, **changed: Any) -> WireRecord:
    fields: dict[str, Any] = {
        "direction": direction,
        "at": 1000.0,
        "session": 1,
        "transport": "dtls",
        "kind": "NON",
        "code": code,
        "path": "",
        "options": "",
        "payload": b"",
        "message": b"whole",
        "token": "aa",
        "message_id": 1,
        "answers": None,
    }
    return WireRecord(**{**fields, **changed})


def put(**changed: Any) -> WireRecord:
    return message("sent", "0.03", **{"path": PATH, "payload": b"body", **changed})


@pytest.fixture
def seen() -> WireRecorder:
    return WireRecorder(SharedCapacity(1000))


def all_of(one: WireRecorder) -> list[RecordedMessage]:
    return list(one.waiting)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (PATH, ("mitigation", 7)),
        ("/.well-known/dots/mitigate/cdid=x/cuid=abc/mid=4294967295", ("mitigation", 4294967295)),
        ("/.well-known/dots/mitigate/cuid=abc", ("mitigation", None)),
        ("/.well-known/dots/mitigate/cuid=abc/mid=x", ("mitigation", None)),
        ("/.well-known/dots/config/sid=3", ("session", None)),
        (BEAT, ("heartbeat", None)),
        ("/elsewhere", ("other", None)),
        ("", ("other", None)),
    ],
)
def test_the_path_determines_the_subject_of_a_message(
    path: str, expected: tuple[str, int | None]
) -> None:
    found = subject_of("0.01", path)

    assert (found.topic, found.mid, found.method) == (*expected, "GET")


def test_copies_belong_together_until_one_is_answered(seen: WireRecorder) -> None:
    for token in ("aa", "bb", "cc"):
        seen.tap(put(token=token))
    seen.tap(message("received", "2.01", token="bb"))
    seen.tap(put(token="dd"))

    first, second, third, answer, later = all_of(seen)
    assert first.run == second.run == third.run
    assert [first.copy, second.copy, third.copy] == [1, 2, 3]
    assert answer.run is None
    assert later.run != first.run
    assert later.copy == 1


def test_a_different_body_is_no_copy(seen: WireRecorder) -> None:
    seen.tap(put())
    seen.tap(put(payload=b"other"))
    seen.tap(put(options="If-Match=empty"))

    assert len({noted.run for noted in all_of(seen)}) == 3


def test_the_copies_in_one_entry_are_limited(
    seen: WireRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_recorder, "MAX_COPIES", 2)
    for _ in range(3):
        seen.tap(put())

    assert [noted.copy for noted in all_of(seen)] == [1, 2, 1]


def test_a_late_answer_is_recognized(seen: WireRecorder) -> None:
    seen.tap(put())
    seen.tap(message("received", "2.04"))

    assert all_of(seen)[1].subject == MessageSubject("mitigation", 7, "PUT", PATH)


def test_an_answer_belongs_to_the_request_the_client_knows(seen: WireRecorder) -> None:
    answered = AnsweredRequest(code="0.01", path=PATH, message_id=1)
    seen.tap(message("received", "2.05", token="zz", answers=answered))

    assert all_of(seen)[0].subject == MessageSubject("mitigation", 7, "GET", PATH)


def test_a_token_of_another_session_means_nothing(seen: WireRecorder) -> None:
    seen.tap(put(session=1))
    seen.tap(message("received", "2.04", session=2))

    assert all_of(seen)[1].subject == MessageSubject()


def test_an_acknowledgement_is_about_the_message_with_its_number(seen: WireRecorder) -> None:
    seen.tap(put(message_id=41))
    seen.tap(message("received", "0.00", kind="ACK", message_id=41, token=""))
    seen.tap(message("sent", "0.00", kind="ACK", message_id=41, token=""))

    _, theirs, ours = all_of(seen)
    assert theirs.subject.mid == 7
    assert ours.subject == MessageSubject()


def test_our_answer_to_their_heartbeat_is_a_heartbeat(seen: WireRecorder) -> None:
    seen.keeps_heartbeats = True
    seen.tap(put(token="aa"))
    seen.tap(message("received", "0.03", path=BEAT, token="aa"))
    seen.tap(message("sent", "2.04", token="aa"))

    assert [noted.subject.topic for noted in all_of(seen)] == [
        "mitigation",
        "heartbeat",
        "heartbeat",
    ]


def test_heartbeats_are_recorded_only_while_they_may_be_evidence(seen: WireRecorder) -> None:
    seen.tap(message("sent", "0.03", path=BEAT))
    assert all_of(seen) == []

    seen.keeps_heartbeats = True
    seen.tap(message("sent", "0.03", path=BEAT))
    assert len(all_of(seen)) == 1


def test_the_memory_of_requests_is_limited(
    seen: WireRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_recorder, "MAX_REMEMBERED", 3)
    for number in range(10):
        seen.tap(put(token=f"{number:02}", message_id=number, payload=bytes([number])))

    assert [len(known) for known in (seen._runs, seen._tokens, seen._message_ids)] == [3, 3, 3]
    seen.tap(message("received", "2.04", token="00"))
    assert all_of(seen)[-1].subject == MessageSubject()


def test_the_oldest_message_is_dropped_and_counted(
    seen: WireRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_recorder, "MAX_WAITING", 3)
    for number in range(5):
        seen.tap(put(at=1000.0 + number))

    assert [noted.record.at for noted in all_of(seen)] == [1002.0, 1003.0, 1004.0]
    assert (seen.not_kept, seen.not_kept_at) == (2, 1004.0)


def test_all_subscriptions_share_the_room() -> None:
    room = SharedCapacity(2)
    one, other = WireRecorder(room), WireRecorder(room)
    one.tap(put())
    one.tap(put())

    other.tap(put())
    one.tap(put())

    assert (len(one.waiting), one.not_kept) == (2, 1)
    assert (len(other.waiting), other.not_kept) == (0, 1)


def test_a_peer_that_sends_without_pause_is_not_recorded_completely(
    seen: WireRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_recorder, "BURST", 3.0)
    monkeypatch.setattr(wire_recorder, "PER_S", 2.0)
    one = WireRecorder(SharedCapacity(1000))
    for _ in range(5):
        one.tap(put(at=1000.0))
    for _ in range(5):
        one.tap(put(at=1001.0))

    assert len(one.waiting) == 5
    assert one.not_kept == 5
