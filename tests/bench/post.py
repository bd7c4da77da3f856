"""The processor time of one accepted POST: the call and its answer alone, beside a Flask
application of the same kind (tests/bench/flask_peer.py).

Only the web process, PostgreSQL and Redis run, so nothing is sent, no provider reports, and no
sweep looks at what is overdue. The two take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Final

import httpx

from local_stack.ports import LOOPBACK, free_port
from local_stack.processes import Process, Program
from local_stack.programs import ROOT, answers_http
from tests.bench.callers import Callers
from tests.bench.installation import Installation, installation, parser
from tests.bench.processes import Span
from tests.bench.report import QUANTILES, header, quantiles, say, table

PEER: Final = "flask"
PEER_TOKEN: Final = "token-of-the-bench"
PEER_PACKAGES: Final = "tests/bench/flask_peer.txt"
PEER_THREADS: Final = 8
WARM_UP: Final = 50

Post = Callable[[int], Awaitable[float | None]]
"""Makes the call with that number; returns the seconds to its answer, or None if it is refused."""


def main(arguments: Sequence[str]) -> None:
    options = parser("post", __doc__)
    options.add_argument("--posts", type=int, default=400, help="of each number of callers")
    options.add_argument("--callers", type=int, nargs="*", default=[1, 10], help="at once")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--organizations", type=int, default=40)
    options.add_argument("--rest-s", type=float, default=10.0, help="for the idle share")
    options.add_argument("--without-peer", action="store_true", help="its packages need a network")
    chosen = options.parse_args(arguments)
    header()
    with installation(chosen, organizations=chosen.organizations, signal_workers=0) as running:
        for name in ("beat", "worker"):
            running.stack[name].stop()
        if chosen.without_peer:
            asyncio.run(_measure(running, chosen, peer_url=None))
            return
        with _peer(running) as url:
            asyncio.run(_measure(running, chosen, peer_url=url))


async def _measure(
    running: Installation, options: argparse.Namespace, *, peer_url: str | None
) -> None:
    async with Callers(running, []) as callers, httpx.AsyncClient(timeout=60.0) as client:

        async def post(number: int) -> float | None:
            posted = await callers.submit(running.slugs[number % len(running.slugs)])
            return None if posted is None else posted.answered_after_s

        async def post_to_peer(number: int) -> float | None:
            body = {"prefix": f"2001:db8::{number:x}/128", "lifetime": 3600, "action": 1}
            began = perf_counter()
            answer = await client.post(
                f"{peer_url}/rules", json=body, headers={"Authorization": f"Bearer {PEER_TOKEN}"}
            )
            return perf_counter() - began if answer.is_success else None

        numbers = iter(range(10**9))
        kinds: dict[str, Post] = {"portal": post}
        if peer_url is not None:
            kinds[PEER] = post_to_peer
        for one in kinds.values():
            await _post(one, numbers, max(WARM_UP, options.organizations), 4)
        idle_from = running.servers.now()
        await running.meter.rest(options.rest_s)
        idle = running.servers.since(idle_from)
        for at_once in options.callers:
            costs: dict[str, list[float]] = {kind: [] for kind in kinds}
            for _ in range(options.rounds):
                for kind, one in kinds.items():
                    before, counted_from = running.meter.sample(), running.servers.now()
                    seconds = await _post(one, numbers, options.posts, at_once)
                    span, counts = running.meter.since(before), running.servers.since(counted_from)
                    say(f"{kind}, {at_once} at once; refused: {options.posts - len(seconds)}")
                    say()
                    table(QUANTILES, [quantiles("POST to its answer", seconds)])
                    say()
                    span.say("accepted POST", len(seconds))
                    say()
                    counts.each(max(len(seconds), 1), idle=idle).say("accepted POST")
                    say()
                    costs[kind].append(_cost_ms(span, kind, len(seconds)))
            _say_costs(costs, at_once)


def _cost_ms(span: Span, kind: str, count: int) -> float:
    """With the shares of PostgreSQL and Redis."""
    names = ("web" if kind == "portal" else kind, "postgres", "redis")
    return sum(span.cost_ms(name, count) for name in names)


def _say_costs(costs: dict[str, list[float]], at_once: int) -> None:
    rows = [
        (kind, ", ".join(f"{one:.2f}" for one in found), f"{statistics.median(found):.2f} ms")
        for kind, found in costs.items()
    ]
    table((f"CPU of an accepted POST, {at_once} at once", "each round", "median"), rows)
    if PEER in costs:
        pairs = zip(costs["portal"], costs[PEER], strict=True)
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        say()
        say(f"the portal needs {ratio:.2f} times what the Flask application needs")
    say()


async def _post(post: Post, numbers: Iterator[int], count: int, at_once: int) -> list[float]:
    left = iter(range(count))
    found = []

    async def some() -> None:
        for _ in left:
            if (seconds := await post(next(numbers))) is not None:
                found.append(seconds)

    await asyncio.gather(*(some() for _ in range(at_once)))
    return found


@contextmanager
def _peer(running: Installation) -> Iterator[str]:
    """Its URL. It uses the servers of the installation, with its own tables."""
    uv = Path(os.environ.get("VIRTUAL_ENV", ROOT / ".venv"), "bin", "uv")
    command = str(uv) if uv.exists() else shutil.which("uv") or "uv"
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    program = Program(
        name=PEER,
        command=[
            command, "run", "--no-project", "--with-requirements", PEER_PACKAGES,
            "gunicorn", "--bind", f"{LOOPBACK}:{port}", "--worker-class", "gthread",
            "--threads", str(PEER_THREADS), "tests.bench.flask_peer:app",
        ],
        environment={
            **os.environ,
            "PEER_DATABASE": running.stack.database_url.replace("://", "+psycopg://", 1),
            "PEER_REDIS": running.stack.redis_url,
        },
        directory=ROOT,
        is_ready=lambda _: answers_http(f"{url}/health"),
        ready_within_s=300,
    )  # fmt: skip
    process = Process(program, running.stack.directory / "log" / "flask.log")
    process.start()
    try:
        process.wait_until_ready()
        running.meter.peers.append(process)
        yield url
    finally:
        running.meter.peers.clear()
        process.stop()
