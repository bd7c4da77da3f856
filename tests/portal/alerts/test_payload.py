from __future__ import annotations

import json

import pytest

from portal.alerts.alert import RejectionCode, UnmappableError
from portal.alerts.mapping import AlertSource, map_payload
from portal.alerts.payload import MAX_RECORDS, json_records, line_records
from tests.portal.alerts.fixture_files import SETTINGS


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", RejectionCode.EMPTY),
        (b"[]", RejectionCode.EMPTY),
        (b"{", RejectionCode.NOT_JSON),
        (b"\xff\xfe{}", RejectionCode.NOT_TEXT),
        (b'{"id": "a\x00b"}', RejectionCode.NUL),
        (b'{"id": "a\\u0000b"}', RejectionCode.NUL),
        (b'{"id": "a", "id": "b"}', RejectionCode.DUPLICATE_KEY),
        (b'{"pps": NaN}', RejectionCode.NOT_A_NUMBER),
        (b'{"pps": -Infinity}', RejectionCode.NOT_A_NUMBER),
        (b'{"pps": 1' + b"0" * 5000 + b"}", RejectionCode.BAD_NUMBER),
        (b"[" * 100_000, RejectionCode.TOO_DEEP),
        (json.dumps([{}] * (MAX_RECORDS + 1)).encode(), RejectionCode.TOO_MANY_RECORDS),
        (b"{}\n" * (MAX_RECORDS + 1), RejectionCode.TOO_MANY_RECORDS),
    ],
)
def test_a_body_that_cannot_be_read_is_rejected(body: bytes, code: RejectionCode) -> None:
    with pytest.raises(UnmappableError) as caught:
        json_records(body)

    assert caught.value.code == code


def test_as_many_records_as_allowed_are_read() -> None:
    assert len(json_records(json.dumps([{}] * MAX_RECORDS).encode())) == MAX_RECORDS
    assert len(line_records(b"x\n" * MAX_RECORDS)) == MAX_RECORDS


@pytest.mark.parametrize("body", [b"", b"\n \n", b"[]"])
def test_a_log_without_lines_is_rejected(body: bytes) -> None:
    with pytest.raises(UnmappableError):
        line_records(body)


def test_one_record_with_many_alerts_is_bounded_like_many_records() -> None:
    alert = {
        "status": "firing",
        "fingerprint": "f",
        "labels": {},
        "startsAt": "2026-11-28T18:00:00Z",
    }
    body = json.dumps({"version": "4", "alerts": [alert] * (MAX_RECORDS + 1)}).encode()

    mapped = map_payload(AlertSource.ALERTMANAGER, body, SETTINGS)

    assert not mapped.alerts
    assert [one.code for one in mapped.rejections] == [RejectionCode.TOO_MANY_RECORDS]


def test_a_number_that_no_column_holds_is_rejected() -> None:
    body = json.dumps([{"id": "a", "bps": 2**63}, {"id": "b", "bps": 2**62}]).encode()

    mapped = map_payload(AlertSource.PLAIN, body, SETTINGS)

    assert [one.code for one in mapped.rejections] == [RejectionCode.BAD_NUMBER]
    assert [one.bps for one in mapped.alerts] == [2**62]


def test_text_has_no_control_characters_and_a_link_is_a_web_address() -> None:
    body = json.dumps({"id": "a\u001b[31m", "text": "a\nb\u202ec", "link": "javascript:1"}).encode()

    [alert] = map_payload(AlertSource.PLAIN, body, SETTINGS).alerts

    assert (alert.event_id, alert.text, alert.link) == ("a[31m", "a bc", "")


def test_too_many_targets_reject_the_record() -> None:
    names = [f"203.0.113.{number}" for number in range(101)]

    mapped = map_payload(AlertSource.PLAIN, json.dumps({"targets": names}).encode(), SETTINGS)

    assert [one.code for one in mapped.rejections] == [RejectionCode.TOO_MANY_TARGETS]
