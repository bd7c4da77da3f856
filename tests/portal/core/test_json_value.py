"""Typed JSON columns: saved values are read back, and values of another type are refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import ip_network
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.db.models import F
from django.db.models.expressions import Col
from django.db.models.fields.json import KeyTransform
from hypothesis import given
from hypothesis import strategies as st

from portal.core.json_value import JSONValueField, UnreadableValueError, read_json, write_json
from portal.core.targets import IPNetwork


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Ports:
    lower: int
    upper: int


@dataclass(frozen=True, slots=True)
class Part:
    ports: Ports
    colour: Colour | None = None


@dataclass(frozen=True, slots=True)
class Whole:
    networks: tuple[IPNetwork, ...]
    parts: tuple[Part, ...] = ()
    at: datetime | None = None
    note: str = ""


networks = st.one_of(
    st.ip_addresses(v=4).map(lambda address: ip_network(f"{address}/32")),
    st.ip_addresses(v=6).map(lambda address: ip_network(f"{address}/128")),
)
wholes = st.builds(
    Whole,
    networks=st.lists(networks, max_size=4).map(tuple),
    parts=st.lists(st.builds(Part, ports=st.builds(Ports)), max_size=3).map(tuple),
    at=st.none() | st.datetimes(timezones=st.just(UTC)),
)


def field() -> JSONValueField[Whole]:
    made = JSONValueField(Whole)
    made.set_attributes_from_name("whole")
    return made


@given(wholes)
def test_value_survives_json(whole: Whole) -> None:
    assert read_json(json.loads(json.dumps(write_json(whole))), Whole) == whole


def test_column_holds_an_object_that_a_person_can_read() -> None:
    whole = Whole((ip_network("203.0.113.0/24"),), (Part(Ports(80, 81), Colour.RED),))

    assert json.loads(json.dumps(write_json(whole))) == {
        "networks": ["203.0.113.0/24"],
        "parts": [{"ports": {"lower": 80, "upper": 81}, "colour": "red"}],
        "at": None,
        "note": "",
    }


@pytest.mark.parametrize(
    "data",
    [
        None,
        3,
        "x",
        [],
        {},
        {"networks": None},
        {"networks": ["203.0.113.1/24"]},
        {"networks": ["not a network"]},
        {"networks": [], "parts": [{"ports": {"lower": 1}}]},
        {"networks": [], "parts": [{"ports": {"lower": 1, "upper": 2}, "colour": "green"}]},
        {"networks": [], "at": "yesterday"},
    ],
)
def test_json_of_another_type_is_refused(data: Any) -> None:
    with pytest.raises(UnreadableValueError):
        read_json(data, Whole)
    if data is not None:
        with pytest.raises(ValidationError):
            field().clean(data if not isinstance(data, int) else [data], None)


def test_unknown_keys_are_ignored() -> None:
    assert read_json({"networks": [], "since_the_next_release": 1}, Whole) == Whole(())


def test_migrations_see_a_plain_json_field() -> None:
    _name, path, arguments, options = JSONValueField(Whole, null=True).deconstruct()

    assert (path, arguments, options) == ("django.db.models.JSONField", [], {"null": True})
    assert field().clone().value_type is Whole


def test_one_key_of_the_column_is_read_as_it_is() -> None:
    key = KeyTransform("note", Col("table", field()), output_field=models.JSONField())

    assert field().from_db_value('"x"', key, connection) == "x"


def test_expression_is_passed_to_the_database() -> None:
    assert isinstance(field().get_prep_value(F("other")), F)
