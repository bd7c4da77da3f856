from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dots_client.codec import (
    HEARTBEAT_PATH,
    ConfigPath,
    Content,
    HeartbeatPath,
    MitigatePath,
    config_path,
    mitigate_path,
    parse_content,
    parse_path,
)
from dots_client.errors import DecodeError, EncodeError

CUID = "dz6pHjaADkaFTbjr0JGBpw"


@pytest.mark.rule("SC-010")
@pytest.mark.rule("SC-036")
def test_the_segments_have_the_order_of_the_rfc() -> None:
    assert mitigate_path(CUID, 123) == (
        ".well-known",
        "dots",
        "mitigate",
        f"cuid={CUID}",
        "mid=123",
    )
    assert mitigate_path(CUID) == (".well-known", "dots", "mitigate", f"cuid={CUID}")


@pytest.mark.rule("SC-076")
@pytest.mark.rule("SC-087")
def test_configuration_and_heartbeats_have_no_cuid_in_their_path() -> None:
    assert config_path() == (".well-known", "dots", "config")
    assert config_path(7) == (".well-known", "dots", "config", "sid=7")
    assert HEARTBEAT_PATH == (".well-known", "dots", "hb")


@pytest.mark.rule("SC-013")
@pytest.mark.parametrize("cuid", ["", "x" * 251, "ä" * 126])
def test_a_cuid_that_does_not_fit_a_segment_is_refused(cuid: str) -> None:
    with pytest.raises(EncodeError):
        mitigate_path(cuid)


@pytest.mark.parametrize("number", [-1, 2**32])
def test_a_number_that_does_not_fit_32_bits_is_refused(number: int) -> None:
    with pytest.raises(EncodeError):
        mitigate_path(CUID, number)
    with pytest.raises(EncodeError):
        config_path(number)


@given(st.text(min_size=1, max_size=60), st.none() | st.integers(0, 2**32 - 1))
def test_a_path_is_read_as_it_was_written(cuid: str, mid: int | None) -> None:
    assert parse_path(mitigate_path(cuid, mid)) == MitigatePath(cuid=cuid, mid=mid)


def test_the_other_paths_are_read_as_they_were_written() -> None:
    assert parse_path(config_path()) == ConfigPath()
    assert parse_path(config_path(0)) == ConfigPath(sid=0)
    assert parse_path(HEARTBEAT_PATH) == HeartbeatPath()


@pytest.mark.rule("SS-082")
def test_a_gateway_puts_its_cdid_before_the_cuid() -> None:
    path = (".well-known", "dots", "mitigate", "cdid=7eea", f"cuid={CUID}", "mid=1")

    assert parse_path(path) == MitigatePath(cuid=CUID, mid=1, cdid="7eea")


@pytest.mark.rule("SS-024")
@pytest.mark.parametrize(
    "path",
    [
        "",
        ".well-known/dots",
        ".well-known/core",
        ".well-known/dots/v1/mitigate",
        ".well-known/dots/mitigate",
        ".well-known/dots/mitigate/cdid=7eea",
        ".well-known/dots/mitigate/cuid=",
        ".well-known/dots/mitigate/cuid",
        ".well-known/dots/mitigate/mid=1/cuid=x",
        ".well-known/dots/mitigate/cuid=x/mid=",
        ".well-known/dots/mitigate/cuid=x/mid=-1",
        ".well-known/dots/mitigate/cuid=x/mid=01",
        ".well-known/dots/mitigate/cuid=x/mid=٣",
        ".well-known/dots/mitigate/cuid=x/mid=4294967296",
        ".well-known/dots/mitigate/cuid=x/mid=1/mid=2",
        ".well-known/dots/config/cuid=x",
        ".well-known/dots/config/sid=1/sid=2",
        ".well-known/dots/hb/cuid=x",
    ],
)
def test_a_path_the_rfc_does_not_know_is_refused(path: str) -> None:
    with pytest.raises(DecodeError):
        parse_path(path.split("/"))


@pytest.mark.rule("SS-042")
@pytest.mark.parametrize(
    ("queries", "content"),
    [
        ([], Content.ALL),
        (["c=a"], Content.ALL),
        (["c=n"], Content.STATUS),
        (["x=1", "c=c"], Content.CONFIGURATION),
        (["c=z", "c"], Content.ALL),
    ],
)
def test_the_content_query_chooses_attributes(queries: list[str], content: Content) -> None:
    assert parse_content(queries) is content


@given(
    st.lists(st.text(max_size=12), max_size=7)
    | st.lists(st.text(max_size=12)).map(lambda rest: [".well-known", "dots", "mitigate", *rest])
)
def test_any_path_is_read_or_raises_decode_error(segments: list[str]) -> None:
    with suppress(DecodeError):
        parse_path(segments)
