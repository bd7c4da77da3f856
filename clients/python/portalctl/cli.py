"""The arguments of `portalctl`, and its exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from portalctl import alerts, arguments, decisions, notes, requests, sign_in
from portalctl.errors import OK, REFUSED, CommandError, RefusedError
from portalctl.forward import command as forwarding
from portalctl.forward.sources import SOURCES
from portalctl.terminal import Terminal

INTERRUPTED: Final = 130
EXIT_CODES: Final = """exit codes:
  0  done
  1  the portal refused
  2  the arguments, a file or the standard input are wrong
  3  the portal cannot be reached
"""
Act = Callable[[argparse.Namespace, Terminal], None]


def main(words: Sequence[str] | None = None, terminal: Terminal | None = None) -> int:
    """Run one command and return its exit code. argparse itself ends with 2."""
    given = parser().parse_args(words)
    place = terminal or Terminal()
    act: Act = given.act
    try:
        act(given, place)
    except CommandError as error:
        if given.json and isinstance(error, RefusedError) and error.body:
            place.say_json(error.body)
        place.note(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has ended, as `head` does. Python would fail again at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED
    return OK


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(
        prog="portalctl",
        description="Ask a DDoS mitigation portal for help from the command line.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    _sign_in(commands)
    _requests(commands)
    _decisions(commands)
    _notes(commands)
    _alert(commands)
    _forward(commands)
    return whole


def _command(commands: Any, name: str, act: Act, about: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=about, description=f"{about[0].upper()}{about[1:]}.", allow_abbrev=False
    )
    made.set_defaults(act=act)
    made.add_argument("--json", action="store_true", help="print JSON, for programs")
    return made


def _sign_in(commands: Any) -> None:
    one = _command(commands, "sign-in", sign_in.sign_in, "save a token of the portal")
    one.add_argument("--portal", required=True, metavar="URL", help="https://portal.example")
    one.add_argument("--organization", default="", metavar="SLUG", help="its name in addresses")
    one.add_argument(
        "--token-from-stdin",
        action="store_true",
        help="read an API token or a service token instead of asking for a password",
    )
    _command(commands, "sign-out", sign_in.sign_out, "end the session and forget the token")


def _requests(commands: Any) -> None:
    listed = _command(commands, "list", requests.list_requests, "list requests, the newest first")
    listed.add_argument("--status", type=arguments.several, default=[], help="separated by commas")
    listed.add_argument("--limit", type=arguments.amount, default=50, help="at most 200")

    made = _command(commands, "request", requests.request, "ask for mitigation")
    made.add_argument("targets", nargs="+", metavar="TARGET", help="prefix, name or URI")
    made.add_argument("--lifetime", type=arguments.lifetime, help="1h, 30m, until-terminated")
    made.add_argument("--reason", default="")
    made.add_argument(
        "--replace",
        type=arguments.identifier,
        action="append",
        default=[],
        metavar="ID",
        help="a live request that this one may replace",
    )
    made.add_argument(
        "--idempotency-key", type=arguments.key, metavar="KEY", help="the same: once only"
    )

    shown = _command(commands, "show", requests.show, "show a request")
    ended = _command(commands, "terminate", requests.terminate, "tell every provider to stop")
    watched = _command(commands, "watch", requests.watch, "print each change until it is over")
    watched.add_argument(
        "--interval",
        type=arguments.interval,
        default=2.0,
        help="seconds between two looks where the event socket cannot be used",
    )
    watched.add_argument(
        "--until", type=arguments.several, default=[], metavar="STATUS", help="such as mitigating"
    )
    extended = _command(commands, "extend", requests.extend, "ask for a new lifetime, from now on")
    extended.add_argument("--lifetime", type=arguments.lifetime, required=True, help="such as 2h")
    for one in (shown, ended, watched, extended):
        _of_one_request(one)
    for one in (listed, made):
        _organization(one)


def _decisions(commands: Any) -> None:
    approved = _command(
        commands, "approve", decisions.approve, "send a request that waits, as a second person"
    )
    approved.add_argument(
        "--preview",
        type=arguments.digest,
        metavar="DIGEST",
        help="approval.preview of the request as you saw it; without it, the command asks",
    )
    declined = _command(commands, "decline", decisions.decline, "end a request that waits, unsent")
    declined.add_argument("--reason", required=True)
    for one in (approved, declined):
        _of_one_request(one)


def _notes(commands: Any) -> None:
    written = _command(commands, "note", notes.note, "write a note on a request")
    taken = _command(commands, "take-over", notes.take_over, "become responsible for a request")
    for one in (written, taken):
        _of_one_request(one)
    written.add_argument("text", nargs="?", metavar="TEXT", help="without it: the standard input")
    written.add_argument(
        "--idempotency-key", type=arguments.key, metavar="KEY", help="the same: once only"
    )


def _of_one_request(one: argparse.ArgumentParser) -> None:
    one.add_argument("id", type=arguments.identifier, metavar="ID")
    _organization(one)


def _organization(one: argparse.ArgumentParser) -> None:
    one.add_argument("--organization", default="", metavar="SLUG")


def _alert(commands: Any) -> None:
    one = _command(commands, "alert", alerts.alert, "send an alert, from options or as JSON")
    _endpoint(one)
    one.add_argument("--target", action="append", default=[], help="without it: JSON on stdin")
    one.add_argument("--state", choices=("start", "update", "end"), default="start")
    one.add_argument("--direction", choices=("incoming", "outgoing", "unknown"))
    for name in ("bps", "pps"):
        one.add_argument(f"--{name}", type=arguments.amount)
    for name in ("id", "vector", "severity", "link", "text"):
        one.add_argument(f"--{name}")
    for name in ("protocol", "port"):
        one.add_argument(f"--{name}", type=arguments.amount, action="append", default=[])


def _forward(commands: Any) -> None:
    one = _command(commands, "forward", forwarding.forward, "follow a log and send its alerts")
    _endpoint(one)
    one.add_argument("--source", required=True, choices=sorted(SOURCES))
    one.add_argument("--file", required=True, type=Path, metavar="PATH")


def _endpoint(one: argparse.ArgumentParser) -> None:
    one.add_argument("--endpoint", required=True, metavar="URL")
    one.add_argument(
        "--secret-file",
        type=Path,
        metavar="FILE",
        help="its first line is the secret; default: secret beside the configuration",
    )
