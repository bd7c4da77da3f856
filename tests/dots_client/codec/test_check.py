from __future__ import annotations

import cbor2
import pytest

from dots_client.codec.check import check_body
from dots_client.codec.keys import Sender
from dots_client.errors import DecodeError, EncodeError

REQUEST = {1: {2: [{6: ["192.0.2.0/24"], 14: 60}]}}
EFFICACY = {1: {2: [{6: ["192.0.2.0/24"], 14: 60, 29: 1}]}}
REPORT = {1: {2: [{5: 1, 16: 2, 14: 60}]}}
CONFIG = {30: {44: {33: {36: 60}}}}
LIMITS = {30: {44: {33: {34: 240, 35: 15, 36: 60}}}}
REDIRECT = {46: {47: "alt.example"}}
HEARTBEAT = {49: {51: True}}


@pytest.mark.parametrize("body", [REQUEST, EFFICACY, CONFIG, HEARTBEAT])
def test_a_client_may_send(body: object) -> None:
    check_body(cbor2.dumps(body), sender=Sender.CLIENT)


@pytest.mark.parametrize("body", [REPORT, LIMITS, REDIRECT, HEARTBEAT])
def test_a_server_may_send(body: object) -> None:
    check_body(cbor2.dumps(body), sender=Sender.SERVER)


@pytest.mark.parametrize(
    ("body", "sender"),
    [
        (REPORT, Sender.CLIENT),
        (REDIRECT, Sender.CLIENT),
        (LIMITS, Sender.CLIENT),
        ({1: {}}, Sender.CLIENT),
        ({1: {2: [{29: 1}]}}, Sender.CLIENT),
        ({30: {44: {33: {36: 7}}}}, Sender.CLIENT),
        (REQUEST | HEARTBEAT, Sender.CLIENT),
        ({}, Sender.CLIENT),
        ({}, Sender.SERVER),
        ({46: {}}, Sender.SERVER),
        (REPORT | HEARTBEAT, Sender.SERVER),
    ],
)
def test_neither_side_may_send_every_attribute(body: object, sender: Sender) -> None:
    with pytest.raises((DecodeError, EncodeError)):
        check_body(cbor2.dumps(body), sender=sender)


def test_the_first_of_several_unreadable_attributes_is_named() -> None:
    two = {1: {2: [{5: 1, 16: 2, 14: -7}, {5: 2, 16: 2, 14: 60, 900: 1}]}}

    with pytest.raises(DecodeError, match=r"scope\[0\]\.lifetime: must be an unsigned integer"):
        check_body(cbor2.dumps(two), sender=Sender.SERVER)
