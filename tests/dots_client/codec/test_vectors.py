from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dots_client.codec import (
    decode_config,
    decode_config_request,
    decode_efficacy,
    decode_heartbeat,
    decode_mitigations,
    decode_redirect,
    decode_request,
    encode_config,
    encode_config_report,
    encode_heartbeat,
    encode_redirect,
    encode_reports,
    encode_request,
    from_json,
    parse_path,
    to_json,
)
from dots_client.errors import DecodeError
from dots_client.identity import cuid_from_identity

Vector = dict[str, Any]

VECTORS: list[Vector] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "rfc9132.json").read_text()
)

# true is the default of trigger-mitigation: the model does not distinguish it from an absent one,
# and omits it.
SHORTER_WHEN_ENCODED = {"sig-put-mitigation-trigger-true-explicit", "sig-put-dots-cbor-tag-271"}
# Efficacy without a lifetime: the server inserts the current one, so a client's encoding has it.
LONGER_WHEN_ENCODED = {"sig-put-efficacy-rfc-figure-16"}

# Malformed bodies that a tolerant client can still read.
TOLERATED = {"neg-resp-unknown-conflict-cause-99", "neg-resp-mitigation-start-tagged"}
# The body is valid; its message is not, or the state of the server refuses it.
REFUSED_BY_STATE = {
    "neg-alias-not-owned",
    "neg-cfg-hb-below-min",
    "neg-content-format-cbor-60",
    "neg-efficacy-unknown-mid",
    "neg-method-post",
    "neg-prefix-outside-client-domain",
    "neg-refresh-changed-target",
}
# The mid is missing, which the path allows in other methods.
REFUSED_BY_METHOD = {"neg-delete-without-mid", "neg-path-missing-mid", "neg-cfg-no-sid"}
REFUSED_BY_PATH = {
    "neg-cfg-with-cuid-path",
    "neg-hb-with-cuid-path",
    "neg-path-mid-before-cuid",
    "neg-path-mid-not-integer",
    "neg-path-mid-over-uint32",
}


def ids(vectors: list[Vector]) -> list[str]:
    return [vector["name"] for vector in vectors]


def options(vector: Vector, name: str) -> list[str]:
    return [value for option, value in vector["coap"]["options"] if option == name]


def operation(vector: Vector) -> str:
    """The kind of body, from the path of a request or the content of an answer."""
    path = options(vector, "Uri-Path")
    if path:
        return path[2]
    body = bytes.fromhex(vector["cbor_hex"])
    return {1: "mitigate", 0x1E: "config", 0x2E: "redirect"}[
        body[2] if body[1] == 0x18 else body[1]
    ]


def decode(vector: Vector) -> object:
    body = bytes.fromhex(vector["cbor_hex"] or "")
    is_from_client = vector["direction"] != "server-to-client"
    match operation(vector), is_from_client:
        case "mitigate", True if options(vector, "If-Match"):
            return decode_efficacy(body, lifetime=3600)
        case "mitigate", True:
            return decode_request(body)
        case "mitigate", False:
            return decode_mitigations(body)
        case "config", True:
            return decode_config_request(body)
        case "config", False:
            return decode_config(body)
        case "redirect", _:
            return decode_redirect(body)
        case _:
            return decode_heartbeat(body)


def encode(vector: Vector, model: Any) -> bytes:
    is_from_client = vector["direction"] != "server-to-client"
    match operation(vector), is_from_client:
        case "mitigate", True:
            return encode_request(model)
        case "mitigate", False:
            return encode_reports(model)
        case "config", True:
            return encode_config(model)
        case "config", False:
            return encode_config_report(model)
        case "redirect", _:
            return encode_redirect(model)
        case _:
            return encode_heartbeat(model)


POSITIVE = [
    vector
    for vector in VECTORS
    if not vector["negative"] and vector["cbor_hex"] and vector["kind"] != "derivation"
]
IN_JSON = [vector for vector in VECTORS if vector["cbor_hex"] and vector["json"]]
EXACT = [
    vector
    for vector in POSITIVE
    if vector["json"] and vector["name"] not in SHORTER_WHEN_ENCODED | LONGER_WHEN_ENCODED
]
ANSWERS = [vector for vector in VECTORS if vector["expect"].get("cbor_hex")]
NEGATIVE = [vector for vector in VECTORS if vector["negative"] and vector["coap"]["code"] != "0.01"]
REFUSED_BY_CODEC = [
    vector
    for vector in NEGATIVE
    if vector["name"] not in TOLERATED | REFUSED_BY_STATE | REFUSED_BY_METHOD | REFUSED_BY_PATH
]


@pytest.mark.rule("SC-011")
@pytest.mark.parametrize("vector", EXACT, ids=ids(EXACT))
def test_a_vector_decodes_to_a_model_that_encodes_to_the_same_bytes(vector: Vector) -> None:
    assert encode(vector, decode(vector)).hex() == vector["cbor_hex"]


@pytest.mark.parametrize("vector", POSITIVE, ids=ids(POSITIVE))
def test_a_vector_survives_a_round_trip_through_the_model(vector: Vector) -> None:
    model = decode(vector)

    again = decode({**vector, "cbor_hex": encode(vector, model).hex()})

    assert again == model


@pytest.mark.parametrize("vector", IN_JSON, ids=ids(IN_JSON))
def test_a_vector_reads_as_the_json_of_the_rfc(vector: Vector) -> None:
    assert to_json(bytes.fromhex(vector["cbor_hex"])) == vector["json"]


@pytest.mark.parametrize("vector", IN_JSON, ids=ids(IN_JSON))
def test_the_json_of_the_rfc_makes_the_bytes_of_the_vector(vector: Vector) -> None:
    assert from_json(vector["json"]).hex() == vector["cbor_hex"].removeprefix("d9010f")


@pytest.mark.parametrize("vector", ANSWERS, ids=ids(ANSWERS))
def test_the_expected_answer_decodes_and_encodes_exactly(vector: Vector) -> None:
    body = bytes.fromhex(vector["expect"]["cbor_hex"])

    assert encode_reports(decode_mitigations(body)) == body
    assert to_json(body) == vector["expect"]["json"]


@pytest.mark.rule("SS-025")
@pytest.mark.parametrize("vector", REFUSED_BY_CODEC, ids=ids(REFUSED_BY_CODEC))
def test_a_malformed_vector_is_refused(vector: Vector) -> None:
    with pytest.raises(DecodeError):
        decode(vector)


@pytest.mark.parametrize("name", sorted(REFUSED_BY_PATH))
def test_a_malformed_path_is_refused(name: str) -> None:
    [vector] = [vector for vector in VECTORS if vector["name"] == name]

    with pytest.raises(DecodeError) as refusal:
        parse_path(options(vector, "Uri-Path"))

    assert refusal.value.path == "Uri-Path"


@pytest.mark.parametrize("name", sorted(REFUSED_BY_STATE | REFUSED_BY_METHOD | TOLERATED))
def test_a_wrong_message_with_a_valid_body_is_left_to_the_server_or_tolerated(name: str) -> None:
    [vector] = [vector for vector in VECTORS if vector["name"] == name]

    if vector["cbor_hex"]:
        decode(vector)


@pytest.mark.rule("SC-026")
def test_a_cuid_is_derived_as_the_rfc_says() -> None:
    [vector] = [vector for vector in VECTORS if vector["kind"] == "derivation"]

    cuid = cuid_from_identity(bytes.fromhex(vector["json"]["input_hex"]))

    assert cuid == vector["json"]["cuid"]
    assert len(cuid) == 22
