"""scripts/bench: the cost and limits of the portal and its DOTS client, measured on this
machine.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

BENCHMARKS: Final = {
    "portal": "the way from a person to the wire and back",
    "rush": "a hundred organizations submit a thousand requests in ten seconds",
    "steady": "many mitigations held, with a report of each every few seconds",
    "neighbour": "one organization beside another one that holds hundreds of mitigations",
    "alerts": "a person beside detectors that report a thousand alerts a second",
    "flood": "one provider beside another one that floods the portal with statuses",
    "idle": "idle sessions of a signal worker beside the bare client",
    "pages": "open pages during an attack, in Chromium",
    "timeline": "the page of a request with thousands of events",
    "restart": "a restart of a signal worker with many sessions",
    "post": "processor time of one accepted POST",
    "loss": "a request on a bad line, beside libcoap",
    "handshakes": "full handshakes beside resumed ones",
    "sessions": "many sessions in one process",
    "sockets": "open pages while nothing happens",
    "codec": "CBOR beside bare cbor2",
    "bodies": "refused bodies: processor time each, memory after a thousand",
    "tree": "the code: modules, functions, arrows, tests",
}
DEFAULT: Final = "portal"


def main() -> None:
    name, *arguments = sys.argv[1:] or [DEFAULT]
    if name in ("-h", "--help"):
        print("scripts/bench [BENCHMARK] [--help] …")
        for benchmark, meaning in BENCHMARKS.items():
            print(f"  {benchmark:<10} {meaning}")
        return
    if name not in BENCHMARKS:
        name, arguments = DEFAULT, sys.argv[1:]
    import_module(f"tests.bench.{name}").main(arguments)


if __name__ == "__main__":
    main()
