"""Coverage-guided fuzzing: `pip install atheris==3.0.0`, then `python -m tests.fuzz
codec|messages|datagrams [-max_total_time=300 and other options of libFuzzer]`.

It writes what it finds to `crash-*` in the current folder; `python -m tests.fuzz codec crash-…`
repeats it.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any, Final

INSTRUMENTED: Final = ("dots_client", "aiocoap.message", "aiocoap.options", "aiocoap.optiontypes")


async def fuzz(atheris: Any, name: str, options: list[str]) -> None:
    # Imported here, so that what they import is instrumented.
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        targets = import_module("tests.fuzz.targets")
    with tempfile.TemporaryDirectory(prefix="portal-fuzz-") as corpus:
        for number, seed in enumerate(targets.seeds(name)):
            (Path(corpus) / f"seed-{number}").write_bytes(seed)
        atheris.Setup([sys.argv[0], *options, corpus], targets.TARGETS[name]())
        atheris.Fuzz()


def main() -> None:
    name, *options = sys.argv[1:]
    asyncio.run(fuzz(import_module("atheris"), name, options))


if __name__ == "__main__":
    main()
