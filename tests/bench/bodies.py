"""The cost of refused requests to the web process: CPU time of each, and memory after a
thousand.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import httpx
import psutil

from local_stack.stack import Stack
from portal.core.body_limits import MAX_BODY_BYTES, MAX_SIGN_IN_BODY_BYTES
from tests.bench.report import machine, say, table
from tests.integration.stack import Api

TOKEN: Final = "/api/v1/auth/token"
REQUESTS: Final = "/api/v1/organizations/acme/mitigation-requests"
SIGN_IN: Final = "/sign-in"
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data; boundary=x"
MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Body:
    """One kind of body, at the limit of its endpoint or above it."""

    what: str
    path: str
    content_type: str
    content: bytes
    is_signed_in: bool = False


def bodies() -> list[Body]:
    found = [Body("170,000 unknown names", TOKEN, JSON, _names(1_900_000))]
    for path, limit, is_signed_in in (
        (TOKEN, MAX_SIGN_IN_BODY_BYTES, False),
        (REQUESTS, MAX_BODY_BYTES, True),
    ):
        for what, make in JSON_KINDS.items():
            found.append(Body(what, path, JSON, make(limit), is_signed_in))
    for path, limit in ((SIGN_IN, MAX_SIGN_IN_BODY_BYTES), ("/", MAX_BODY_BYTES)):
        found += [
            Body("form fields", path, FORM, _filled(b"a=&", limit)),
            Body("one long form field", path, FORM, b"a=" + b"%41" * ((limit - 2) // 3)),
            Body("multipart parts", path, MULTIPART, _filled(_part(b'name="a"'), limit)),
            Body("multipart files", path, MULTIPART, _filled(_part(b'name="a"; filename="b"'),
            limit)),
            Body("multipart without names", path, MULTIPART, _filled(b"--x\r\n\r\n\r\n", limit)),
        ]  # fmt: skip
    return found


def _names(limit: int) -> bytes:
    whole = json.dumps({f"{number:x}": 0 for number in range(170_000)}, separators=(",", ":"))
    return whole[: whole.rfind(",", 0, limit)].encode() + b"}"


def _filled(piece: bytes, limit: int) -> bytes:
    return piece * (limit // len(piece))


def _part(disposition: bytes) -> bytes:
    return b"--x\r\nContent-Disposition: form-data; " + disposition + b"\r\n\r\n\r\n"


JSON_KINDS: Final[dict[str, Callable[[int], bytes]]] = {
    "unknown names": _names,
    "one name again and again": lambda limit: b"{" + _filled(b'"a":0,', limit - 8) + b'"a":0}',
    "deep nesting": lambda limit: b"[" * limit,
    "nesting within what Python reads": lambda _: b"[" * 900 + b"]" * 900,
    "short lists": lambda limit: b'{"x":[' + _filled(b"[],", limit - 10) + b"[]]}",
    "huge numbers": lambda limit: b'{"x":[' + _filled(b"9" * 4299 + b",", limit - 10) + b"0]}",
    "a number too huge": lambda limit: b'{"x":' + b"9" * (limit - 6) + b"}",
    "fractions": lambda limit: b'{"x":[' + _filled(b"1.7e308,", limit - 10) + b"0]}",
    "one long text": lambda limit: b'{"username":"' + b"a" * (limit - 15) + b'"}',
    "escapes": lambda limit: b'{"username":"' + _filled(b"\\ud83d\\ude00", limit - 15) + b'"}',
}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench bodies", description=__doc__)
    parser.add_argument("--samples", type=int, default=30, help="of each kind (default 30)")
    parser.add_argument("--rounds", type=int, default=10, help="for the memory (default 10)")
    parser.add_argument(
        "--round", type=int, default=500, help="bodies of all kinds in one round (default 500)"
    )
    parser.add_argument("--only", default="", help="the kinds whose description has this text")
    options = parser.parse_args(arguments)
    kinds = [body for body in bodies() if options.only in f"{body.what}, {body.path}"]
    if not kinds:
        parser.error(f"no kind of body is described with {options.only!r}")
    say(machine())
    with (
        tempfile.TemporaryDirectory(prefix="portal-bench-") as directory,
        Stack(Path(directory), signal_workers=1) as stack,
    ):
        _measure(stack, kinds, options)


def _measure(stack: Stack, kinds: Sequence[Body], options: argparse.Namespace) -> None:
    alice = Api(stack, "alice")
    web = psutil.Process(stack["web"].pid)
    callers = _callers()
    with httpx.Client(base_url=stack.url, timeout=60) as client:

        def send(body: Body) -> int:
            # A new address each time, so that the limit per address does not hide the cost of the
            # body. With a cookie, without which a form is refused unread.
            headers = {
                "Cookie": f"csrftoken={'a' * 32}",
                "Content-Type": body.content_type,
                "X-Forwarded-For": next(callers),
            }
            if body.is_signed_in:
                headers["Authorization"] = f"Bearer {alice.token}"
            return client.post(body.path, content=body.content, headers=headers).status_code

        for body in kinds:
            send(body)
        sizes = [web.memory_info().rss]
        rows = []
        for body in kinds:
            before = _cpu(web)
            statuses = {send(body) for _ in range(options.samples)}
            each = 1000 * (_cpu(web) - before) / max(options.samples, 1)
            rows.append((body.what, body.path, f"{len(body.content) / 1024:,.0f}", "/".join(map(str,
            sorted(statuses))), f"{each:.1f}"))  # fmt: skip
        table(("body", "door", "KiB", "answer", "CPU ms"), rows)
        sizes.append(web.memory_info().rss)
        following = cycle(kinds)
        for _ in range(options.rounds):
            for body in islice(following, options.round):
                send(body)
            sizes.append(web.memory_info().rss)
    alice.close()
    say(
        f"memory of web in MiB, before, after {options.samples} of each kind, and after each of "
        f"{options.rounds} rounds of {options.round:,}: "
        f"{', '.join(f'{one / MIB:.0f}' for one in sizes)}"
    )


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _callers() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
