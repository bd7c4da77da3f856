"""`scripts/demo`: the whole portal on one machine, with simulated providers."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import sys
import time
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from local_stack.cast import DETECTORS, PLANS, PROVIDERS, Cast, Channel
from local_stack.greeting import (
    CannotRun,
    answer_enter,
    description_of,
    explain,
    greet,
    print_code_of,
    print_line,
    print_notice,
)
from local_stack.installation import write_privately
from local_stack.notice_receiver import notice_receiver
from local_stack.ports import HIGHEST_PORT, LOOPBACK, free_port_from
from local_stack.processes import ProcessFailed
from local_stack.programs import ROOT
from local_stack.servers import ServerMissing
from local_stack.simulators import Simulator
from local_stack.stack import Stack

USUAL_PORT = 8000
MADE_BY_A_DEMO = ("stack.sqlite3*", "secrets.json", "beat-schedule*", "log", "pki", "redis")
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM arrived. It is not an error, so no handler on the way may catch
    it as one.
    """


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    for known in STOP_SIGNALS:
        signal.signal(known, signal.SIG_IGN)
    raise Interrupted


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        if options.code:
            print_code_of(options.code, options.state)
        else:
            _run(options)
    except Interrupted:
        print("Everything is stopped.")
    except (CannotRun, ServerMissing) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except ProcessFailed as failure:
        explain(failure)
        return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--port", type=_port, help=f"port of the web pages (default {USUAL_PORT})")
    parser.add_argument("--headless", action="store_true", help="open no browser")
    parser.add_argument("--fresh", action="store_true", help="delete all data and start over")
    parser.add_argument(
        "--state", metavar="FOLDER", type=Path, default=ROOT / "var", help="default: var"
    )
    parser.add_argument("--verbose", action="store_true", help="show the log of every process")
    parser.add_argument(
        "--code", metavar="NAME", help="only print the one-time code of a user, for example alice"
    )
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= HIGHEST_PORT:
        raise ValueError
    return number


def _run(options: argparse.Namespace) -> None:
    began = time.monotonic()
    state: Path = options.state.resolve()
    # Keys, passwords and logs are private.
    os.umask(0o077)
    with _only_one(state), notice_receiver(print_notice) as receiver:
        for number in STOP_SIGNALS:
            signal.signal(number, _interrupt_once)
        (state / "demo.json").unlink(missing_ok=True)
        if options.fresh:
            _forget(state)
        elif (state / "stack.sqlite3").exists() and not (state / "secrets.json").exists():
            raise CannotRun(
                f"{state}/secrets.json is gone, and without it the data cannot be read. "
                "Start over with: scripts/demo --fresh"
            )
        stack = Stack(
            state,
            web_port=_web_port(options.port),
            simulators=_simulators(),
            cast=Cast(
                plans=PLANS,
                detectors=DETECTORS,
                channels=(Channel("acme", "This terminal", "alice", receiver),),
            ),
            environment={"PORTAL_NOTICE_NETWORKS": f"{LOOPBACK}/32"},
            on_step=lambda step: print(f"[{time.monotonic() - began:5.1f} s] {step}", flush=True),
            on_line=print_line if options.verbose else None,
        )
        try:
            stack.start()
            write_privately(state / "demo.json", description_of(stack))
            greet(stack)
            _open_browser(stack.url, headless=options.headless)
            stack.watch(on_tick=lambda: answer_enter(stack))
        except Interrupted:
            print("\nStopping.", flush=True)
            raise
        finally:
            (state / "demo.json").unlink(missing_ok=True)
            stack.stop()


@contextmanager
def _only_one(state: Path) -> Iterator[None]:
    state.mkdir(parents=True, exist_ok=True)
    with (state / "demo.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CannotRun(
                f"The demo is already running here (process {lock.read().strip()}). "
                "Stop it with Ctrl-C in its window first."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _forget(state: Path) -> None:
    """Delete only what a demo made: the folder may have been mistyped."""
    for pattern in MADE_BY_A_DEMO:
        for path in state.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _web_port(wanted: int | None) -> int:
    port = free_port_from(wanted or USUAL_PORT)
    if wanted is not None and port != wanted:
        raise CannotRun(
            f"Port {wanted} is used by another program. Stop that one, or write: "
            f"scripts/demo --port {port}"
        )
    if port != (wanted or USUAL_PORT):
        print(f"Port {USUAL_PORT} is used by another program; the portal uses {port}.")
    return port


def _simulators() -> list[Simulator]:
    simulators = [Simulator.on_usual_ports(provider) for provider in PROVIDERS]
    for simulator in simulators:
        provider = simulator.provider
        if (provider.signal_port, provider.control_port) != (
            simulator.signal_port,
            simulator.control_port,
        ):
            print(
                f"A default port of {provider.short_name} is used by another "
                f"program; it uses {simulator.signal_port} and {simulator.control_port}."
            )
    return simulators


def _open_browser(url: str, *, headless: bool) -> None:
    # Without a screen it would open a text browser, in the terminal with the logs.
    has_screen = any(name in os.environ for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if not headless and (has_screen or sys.platform == "darwin"):
        webbrowser.open(url)
