"""One invalid attribute never hides a server's report on our mitigation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dots_client.codec import (
    decode_config,
    decode_mitigations,
    encode_config_report,
    encode_reports,
)
from dots_client.codec.check import check_body
from dots_client.codec.keys import Sender
from dots_client.errors import DecodeError
from tests.dots_client.codec.odd import mid_and_status, odd_reports, reports

REPORTS = reports()


def test_there_are_reports_of_every_kind() -> None:
    assert len(REPORTS) >= 13
    assert {status for _, status in map(mid_and_status, REPORTS.values())} == {1, 2, 3, 4, 6, 7, 8}


@pytest.mark.parametrize("name", sorted(REPORTS))
@given(drawn=st.data())
@settings(max_examples=60)
def test_the_status_is_read_despite_any_odd_attribute(name: str, drawn: st.DataObject) -> None:
    mid, status = mid_and_status(REPORTS[name])

    said = decode_mitigations(drawn.draw(odd_reports(REPORTS[name])))

    assert [report.status for report in said if report.mid == mid] == [status]


@pytest.mark.parametrize("name", sorted(REPORTS))
@given(drawn=st.data())
@settings(max_examples=40)
def test_every_report_that_was_read_can_be_shown(name: str, drawn: st.DataObject) -> None:
    """Through the codec, with the names of the RFC, as the command line does it."""
    said = decode_mitigations(drawn.draw(odd_reports(REPORTS[name])))

    assert len(decode_mitigations(encode_reports(said))) == len(said)


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_attributes_left_out_are_named_and_a_valid_report_leaves_none_out(name: str) -> None:
    sound = decode_mitigations(REPORTS[name])
    [odd] = decode_mitigations(REPORTS[name].replace(b"\x0e", b"\x18\x3c", 1))

    assert [report.not_read for report in sound] == [()]
    assert odd.not_read == ("mitigation-scope.scope[0]: unknown key 60",)
    assert odd.lifetime is None


def test_checking_an_answer_reports_the_parts_that_a_reader_leaves_out() -> None:
    null_lifetime = bytes.fromhex("a101a10281a305010ef61002")
    unknown_key = bytes.fromhex("a101a10281a30501183c011002")

    check_body(null_lifetime, sender=Sender.SERVER)
    with pytest.raises(DecodeError, match="unknown key 60"):
        check_body(unknown_key, sender=Sender.SERVER)


@given(st.binary(max_size=60))
def test_a_configuration_that_was_read_can_be_shown_again(data: bytes) -> None:
    try:
        config = decode_config(b"\xa1\x18\x1e\xa1\x18\x20" + data)
    except DecodeError:
        return
    encode_config_report(config)
