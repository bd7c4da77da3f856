"""The codec beside bare cbor2: what checking and naming every attribute costs."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import cbor2

from dots_client.codec import decode_mitigations, decode_request, encode_reports, encode_request
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


def _dumping(data: bytes) -> Callable[[], bytes]:
    item = cbor2.loads(data)
    return lambda: cbor2.dumps(item)


def _seconds(call: Callable[[], Any], calls: int) -> float:
    """Of one call, in the median round."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(calls):
            call()
        rounds.append((time.perf_counter() - began) / calls)
    return statistics.median(rounds)


def _micro(seconds: float) -> str:
    return f"{1e6 * seconds:.1f} µs"
