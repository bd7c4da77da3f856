"""Compare the codec with bare cbor2 on the most expensive messages: the cost of checking and naming
every attribute.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import cbor2

from dots_client.codec import decode_mitigations, decode_request, encode_reports, encode_request
from dots_client.errors import DecodeError
from dots_client.transport.association import MAX_INCOMING_BYTES
from dots_client.transport.frames import MAX_MESSAGE_BYTES
from dots_client.transport.message_parser import MalformedMessage, read_datagram
from tests.bench.report import machine, say, table

VECTORS: Final = Path(__file__).parents[1] / "dots_client" / "vectors" / "rfc9132.json"
REQUEST: Final = "sig-put-mitigation-rfc-figure-8"
REPORT: Final = "sig-resp-205-rfc-figure-14"
ROUNDS: Final = 5


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench codec", description=__doc__)
    parser.add_argument("--calls", type=int, default=5000, help="in each of 5 rounds (5000)")
    calls: int = parser.parse_args(arguments).calls
    say(machine())
    say()
    vectors = {vector["name"]: vector for vector in json.loads(VECTORS.read_text())}
    request, report = (bytes.fromhex(vectors[name]["cbor_hex"]) for name in (REQUEST, REPORT))
    scope, reports = decode_request(request), decode_mitigations(report)
    rows: list[tuple[str, int, Callable[[], Any], Callable[[], Any]]] = [
        (
            "encode the request of figure 8",
            len(request),
            lambda: encode_request(scope),
            _dumping(request),
        ),
        ("decode it", len(request), lambda: decode_request(request), lambda: cbor2.loads(request)),
        (
            "encode the status of figure 14",
            len(report),
            lambda: encode_reports(reports),
            _dumping(report),
        ),
        ("decode it", len(report), lambda: decode_mitigations(report), lambda: cbor2.loads(report)),
    ]
    table(
        ("what", "bytes", "dots_client", "bare cbor2", "times as long"),
        (
            (what, str(size), _micro(ours), _micro(bare), f"{ours / bare:.1f}")
            for what, size, our_call, bare_call in rows
            for ours, bare in [(_seconds(our_call, calls), _seconds(bare_call, calls))]
        ),
    )
    _worst()


MAX_STREAM_BODY: Final = MAX_MESSAGE_BYTES - 64


def _worst() -> None:
    """The highest cost of one message from a server; the bound is 1 ms."""
    say()
    datagram = b"\x50\x45\0\1"
    entries = [
        ("65 options, as many as refuse it", datagram + b"\x10" * 65),
        ("64 options of text", datagram + b"\xb2ab" + b"\2ab" * 63),
        ("64 unknown options", datagram + b"\xe0\x05\x00" + b"\x20" * 63),
        ("16 200 empty options", datagram + b"\0" * 16_200),
    ]
    bodies = [
        ("empty entries", _scope(b"\xa0")),
        ("entries with a mid", _scope(b"\xa1\x05\x01")),
        ("port ranges", _scope(b"\xa1\x08\x01", within=7)),
        ("protocols", _scope(b"\x06", within=10)),
        ("empty texts", _scope(b"\x60", within=6)),
        ("texts with a NUL", _scope(b"\x61\x00", within=6)),
    ]
    table(
        ("one message", "bytes", "time"),
        [
            *(
                (what, str(len(data)), _micro(_seconds(partial(_read, data), 200)))
                for what, data in entries
            ),
            *(
                (f"{what}, {place}", str(len(body)), _micro(_seconds(partial(_decode, body), 50)))
                for what, make in bodies
                for place, size in (("a datagram", MAX_INCOMING_BYTES), ("TCP", MAX_STREAM_BODY))
                for body in [make(size)]
            ),
        ],
    )


def _scope(item: bytes, *, within: int | None = None) -> Callable[[int], bytes]:
    """A body of the given size, with many `item`s as entries or as one attribute of a
    single entry.
    """

    def make(size: int) -> bytes:
        many = (size - 16) // len(item)
        items = b"\x99" + many.to_bytes(2, "big") + item * many
        if within is None:
            return b"\xa1\x01\xa1\x02" + items
        return b"\xa1\x01\xa1\x02\x81\xa3\x05\x01\x10\x02" + bytes([within]) + items

    return make


def _read(data: bytes) -> None:
    with suppress(MalformedMessage):
        read_datagram(data, max_bytes=MAX_INCOMING_BYTES)


def _decode(body: bytes) -> None:
    with suppress(DecodeError):
        decode_mitigations(body)


def _dumping(data: bytes) -> Callable[[], bytes]:
    item = cbor2.loads(data)
    return lambda: cbor2.dumps(item)


def _seconds(call: Callable[[], Any], calls: int) -> float:
    """CPU time of one call in the median round, so that other load on the machine has little
    effect.
    """
    rounds = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        for _ in range(calls):
            call()
        rounds.append((time.thread_time() - began) / calls)
    return statistics.median(rounds)


def _micro(seconds: float) -> str:
    return f"{1e6 * seconds:.1f} µs"
