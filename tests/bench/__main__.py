"""scripts/bench: the cost and limits of the portal and its DOTS client, measured on this
machine.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

BENCHMARKS: Final = {
    "portal": "the way from a person to the wire and back",
    "load": "a hundred organizations under attack at once, and a thousand mitigations held",
    "loss": "a request on a bad line, beside libcoap",
    "handshakes": "full handshakes beside resumed ones",
    "sessions": "many sessions in one process",
    "codec": "CBOR beside bare cbor2",
    "bodies": "refused bodies: processor time each, memory after a thousand",
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
