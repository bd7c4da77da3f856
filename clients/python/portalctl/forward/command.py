"""`portalctl forward`: follow a log, aggregate, send."""

from __future__ import annotations

import argparse
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from portalctl.alerts import endpoint_secret, post
from portalctl.api import decoded
from portalctl.errors import CommandError, UnreachableError, UsageError
from portalctl.forward.follower import Follower
from portalctl.forward.outbox import Outbox, Payload
from portalctl.forward.sources import SOURCES
from portalctl.forward.window import Window, body
from portalctl.pauses import pause_s
from portalctl.problems import error_of
from portalctl.terminal import Terminal
from portalctl.web import Answer, checked_url

LOOK_S: Final = 0.5
"""Between two looks at a file that gained nothing."""
MAX_LAST_READS: Final = 16
"""A log that grows faster than it is read does not delay the end."""
TOO_MANY: Final = 429


class Forwarder:
    """One log, and one endpoint. `turn` does what is due; the caller gives the time."""

    def __init__(
        self,
        follower: Follower,
        source: str,
        send: Callable[[bytes], Answer],
        terminal: Terminal,
        now_s: float,
    ) -> None:
        self._follower = follower
        self._seen_in = SOURCES[source]
        self._send = send
        self._terminal = terminal
        self._window = Window(now_s)
        self._outbox = Outbox()
        self._refused = 0
        self._said = ""

    def turn(self, now_s: float) -> bool:
        """Read, and send what is due. True: there may be more to read at once."""
        lines, is_more = self._follower.read()
        self._add(lines)
        if self._window.is_over(now_s):
            self._close_window(now_s)
        payload = self._outbox.due(now_s)
        if payload is not None:
            self._try(payload, now_s)
        return is_more

    def finish(self, now_s: float) -> None:
        """Read the rest, then `end`."""
        for _ in range(MAX_LAST_READS):
            lines, is_more = self._follower.read()
            self._add(lines)
            if not is_more:
                break
        self.end(now_s)

    def end(self, now_s: float) -> None:
        """Send what was read, each payload once, and say what is lost."""
        self._add(self._follower.lines.finish())
        self._close_window(now_s)
        while (payload := self._outbox.due(now_s)) is not None:
            self._try(payload, now_s)
        self._outbox.drop_all()
        self._follower.close()
        self._say_lost()

    def _add(self, lines: list[str]) -> None:
        for line in lines:
            for seen in self._seen_in(line):
                self._window.add(seen)

    def _close_window(self, now_s: float) -> None:
        records = self._window.take(now_s)
        if records:
            self._outbox.put(Payload(body(records), len(records)))
        self._say_lost()

    def _try(self, payload: Payload, now_s: float) -> None:
        retry_after_s = None
        try:
            answer = self._send(payload.body)
            retry_after_s = answer.retry_after_s
            if answer.status == 202:
                self._taken(answer)
                return
            error: CommandError = error_of(answer)
            is_lasting = answer.status < 500 and answer.status != TOO_MANY
        except UnreachableError as unreachable:
            error, is_lasting = unreachable, False
        except UsageError as unreadable:
            # The secret's file: someone may be replacing it now.
            error, is_lasting = unreadable, False
        if is_lasting:
            self._refused += payload.records
            self._terminal.note(f"The portal refused {payload.records} records. {error}")
            self._outbox.answered()
            return
        if not self._outbox.tries:
            self._terminal.note(f"{error} Trying again.")
        self._outbox.failed(now_s, pause_s(self._outbox.tries + 1, retry_after_s))

    def _taken(self, answer: Answer) -> None:
        if self._outbox.tries:
            self._terminal.note("The portal answers again.")
        self._outbox.answered()
        try:
            self._refused += int(decoded(answer)["over_limit"])
        except (CommandError, KeyError, TypeError, ValueError):
            self._terminal.note("The answer is no receipt. Check --endpoint.")

    def _say_lost(self) -> None:
        lost = {
            "lines were too long": self._follower.lines.too_long,
            "lines had no place in their window": self._window.left_out,
            "records waited too long for the portal": self._outbox.dropped,
            "records were refused": self._refused,
        }
        said = ", ".join(f"{count} {what}" for what, count in lost.items() if count)
        if said != self._said:
            self._terminal.note(f"Lost since the start: {said}.")
            self._said = said


def forward(arguments: argparse.Namespace, terminal: Terminal) -> None:
    """Until SIGINT or SIGTERM."""
    url = checked_url(arguments.endpoint, "--endpoint")
    endpoint_secret(arguments.secret_file, terminal)
    path: Path = arguments.file
    follower = _followed(path)
    stopping = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopping.set())

    def send(content: bytes) -> Answer:
        # Read each time, so that a rotated secret needs no restart.
        return post(url, endpoint_secret(arguments.secret_file, terminal), content)

    forwarder = Forwarder(follower, arguments.source, send, terminal, time.monotonic())
    terminal.note(
        f"Following {path}{' from its end' if follower.is_open else ', which does not exist yet'}. "
        "Lines that are written while this program does not run are never sent."
    )
    while not stopping.is_set():
        try:
            is_more = forwarder.turn(time.monotonic())
        except OSError as error:
            forwarder.end(time.monotonic())
            raise UsageError(f"{path}: {error.strerror or error}") from error
        if not is_more:
            stopping.wait(LOOK_S)
    forwarder.finish(time.monotonic())


def _followed(path: Path) -> Follower:
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path}: This is not a file.")
        return Follower(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
