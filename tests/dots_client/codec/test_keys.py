from __future__ import annotations

import pytest

from dots_client.codec.keys import (
    BY_NAME,
    MESSAGE,
    NOBODY,
    TABLE,
    Comprehension,
    Kind,
    cbor_key,
    comprehension,
)


def test_keys_and_names_are_unique() -> None:
    assert len({attribute.key for attribute in TABLE}) == len(BY_NAME) == len(TABLE)


def test_an_attribute_is_found_by_its_name() -> None:
    assert (cbor_key("mid"), cbor_key("status")) == (5, 16)
    with pytest.raises(KeyError):
        cbor_key("no-such-attribute")


def test_the_table_has_all_keys_of_the_signal_channel() -> None:
    assert sorted(attribute.key for attribute in TABLE) == list(range(1, 54))


def test_every_attribute_is_inside_a_map_of_the_table() -> None:
    maps = {row.name for row in TABLE if row.kind in (Kind.MAP, Kind.MAPS)} | {MESSAGE}

    assert {name for row in TABLE for name in row.within} == maps


@pytest.mark.rule("SC-031")
@pytest.mark.rule("SC-035")
@pytest.mark.rule("SS-014")
def test_no_body_contains_cuid_or_cdid() -> None:
    assert [row.name for row in TABLE if row.sender == NOBODY] == ["cdid", "cuid"]


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        (0, Comprehension.REQUIRED),
        (127, Comprehension.REQUIRED),
        (128, Comprehension.OPTIONAL),
        (255, Comprehension.OPTIONAL),
        (256, Comprehension.REQUIRED),
        (16383, Comprehension.REQUIRED),
        (16384, Comprehension.OPTIONAL),
        (65535, Comprehension.OPTIONAL),
        (65536, Comprehension.REQUIRED),
    ],
)
def test_the_comprehension_class_follows_from_the_key(key: int, wanted: Comprehension) -> None:
    assert comprehension(key) is wanted


def test_every_attribute_of_rfc_9132_must_be_understood() -> None:
    assert {row.comprehension for row in TABLE} == {Comprehension.REQUIRED}
