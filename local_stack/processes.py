from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

logger = logging.getLogger(__name__)

LOG_BYTES_MAX = 5_000_000
LINE_BYTES_MAX = 16_384
TAIL_LINES = 25
POLL_S = 0.05


class ProcessFailed(Exception):
    """A process did not start, or exited unexpectedly."""

    def __init__(self, process: Process, what: str) -> None:
        super().__init__(f"{process.program.name} {what}")
        self.name = process.program.name
        self.what = what
        self.log_path = process.log_path
        self.last_lines = process.last_lines()


@dataclass(frozen=True)
class Program:
    """What to run, and how to tell that it is ready."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    is_ready: Callable[[Process], bool] = field(default=lambda process: process.is_running)
    ready_within_s: float = 60.0
    standard_input: bytes = b""
    stop_signal: signal.Signals = signal.SIGTERM
    stops_within_s: float = 8.0
    user: int | None = None


class Running(Protocol):
    """What a `Process` needs of the process that runs its program, as `subprocess.Popen` has it.

    It leads its own session, and is killed when the process that started it ends.
    """

    pid: int
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...


Start = Callable[[Program], Running]


def execute(program: Program) -> Running:
    return subprocess.Popen(
        [*_dies_with_its_parent(), *program.command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=program.directory,
        env=dict(program.environment),
        start_new_session=True,
        user=program.user,
        group=program.user,
        extra_groups=None if program.user is None else (),
    )


@dataclass
class Process:
    """A program that can be started, killed, frozen and restarted; its last log lines are kept."""

    program: Program
    log_path: Path
    on_line: Callable[[str, str], None] | None = None
    start_program: Start = execute
    _popen: Running | None = None
    _pump: threading.Thread | None = None
    _tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    _awaited: dict[str, bool] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        return self._started().pid

    @property
    def exit_code(self) -> int | None:
        return None if self._popen is None else self._popen.poll()

    @property
    def is_running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        program = self.program
        self._tail.clear()
        self._awaited = dict.fromkeys(self._awaited, False)
        self._popen = self.start_program(program)
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        try:
            self._popen.stdin.write(program.standard_input)
            self._popen.stdin.close()
        except BrokenPipeError:
            # It exited before it read its input: the exit code and the log say more.
            self._popen.stdin.close()
        self._pump = threading.Thread(
            target=self._copy_lines, args=(self._popen.stdout,), daemon=True
        )
        self._pump.start()
        # Asked once, `has_printed` looks at each line that comes: when the first question is later,
        # the line may have left the tail.
        program.is_ready(self)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.program.ready_within_s
        while not self.program.is_ready(self):
            if not self.is_running:
                self._drain()
                raise ProcessFailed(self, f"stopped while it started {self._how_it_ended()}")
            if time.monotonic() > deadline:
                raise ProcessFailed(self, f"was not ready in {self.program.ready_within_s:.0f} s")
            time.sleep(POLL_S)

    def has_printed(self, text: str) -> bool:
        """A line since the last start contained the text."""
        if not self._awaited.setdefault(text, False):
            self._awaited[text] = any(text in line for line in self.last_lines())
        return self._awaited[text]

    def ask_to_stop(self) -> None:
        if self.is_running:
            self._signal_group(signal.SIGCONT)
            self._started().send_signal(self.program.stop_signal)

    def wait_until_stopped(self) -> None:
        """Wait for the requested end; after the grace period, kill the whole group."""
        if self._popen is None:
            return
        try:
            self._popen.wait(self.program.stops_within_s)
        except subprocess.TimeoutExpired:
            logger.warning(
                "%s did not stop within %g s and was killed; its log: %s",
                self.program.name,
                self.program.stops_within_s,
                self.log_path,
            )
            self.kill()
        self._drain()

    def stop(self) -> None:
        self.ask_to_stop()
        self.wait_until_stopped()

    def kill(self) -> None:
        """Kill it without warning, as a crash or the out-of-memory killer would."""
        if self.is_running:
            self._signal_group(signal.SIGKILL)
            self._started().wait()
        self._drain()

    def freeze(self) -> None:
        self._signal_group(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_group(signal.SIGCONT)

    def restart(self) -> None:
        self.stop()
        self.start()
        self.wait_until_ready()

    def last_lines(self) -> list[str]:
        return list(self._tail)

    def failure(self) -> ProcessFailed:
        return ProcessFailed(self, f"exited {self._how_it_ended()}")

    def _how_it_ended(self) -> str:
        code = self.exit_code
        if code is not None and code < 0:
            return f"(signal {signal.Signals(-code).name})"
        return f"(exit code {code})"

    def _started(self) -> Running:
        if self._popen is None:
            raise RuntimeError(f"{self.program.name} was never started")
        return self._popen

    def _signal_group(self, number: signal.Signals) -> None:
        if self.is_running:
            os.killpg(self._started().pid, number)

    def _drain(self) -> None:
        if self._pump is not None:
            # A grandchild may hold the pipe open; its output is not worth waiting for.
            self._pump.join(timeout=1)

    def _copy_lines(self, output: IO[bytes]) -> None:
        log = BoundedLog(self.log_path)
        with output, log:
            while raw := output.readline(LINE_BYTES_MAX):
                log.write(raw)
                line = raw.decode(errors="replace").rstrip()
                self._tail.append(line)
                for text, seen in list(self._awaited.items()):
                    self._awaited[text] = seen or text in line
                if self.on_line is not None:
                    self.on_line(self.program.name, line)


class BoundedLog:
    """A log that keeps its newest part: beyond the limit it moves to NAME.1 and starts again."""

    def __init__(self, path: Path, bytes_max: int = LOG_BYTES_MAX) -> None:
        self._path = path
        self._bytes_max = bytes_max
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")

    def write(self, line: bytes) -> None:
        if self._file.tell() + len(line) > self._bytes_max:
            self._file.close()
            self._path.replace(self._path.with_suffix(self._path.suffix + ".1"))
            self._file = self._path.open("ab")
        self._file.write(line)
        self._file.flush()

    def __enter__(self) -> BoundedLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def stop_all(processes: Iterable[Process]) -> None:
    """Signal all at once, then wait for each: the slowest one determines the time, not the sum."""
    asked = list(processes)
    for process in asked:
        process.ask_to_stop()
    for process in asked:
        process.wait_until_stopped()


def run_to_end(program: Program, log_path: Path, start_program: Start = execute) -> str:
    """Run a command to its end, and return the last part of its output."""
    process = Process(program, log_path, start_program=start_program)
    process.start()
    try:
        deadline = time.monotonic() + program.ready_within_s
        while process.is_running:
            if time.monotonic() > deadline:
                raise ProcessFailed(process, f"took more than {program.ready_within_s:.0f} s")
            time.sleep(POLL_S)
    finally:
        process.kill()
    if process.exit_code != 0:
        raise ProcessFailed(process, f"failed {process._how_it_ended()}")
    return "\n".join(process.last_lines())


def _dies_with_its_parent() -> list[str]:
    """Nothing stays behind even if the parent is killed with -9 (Linux with util-linux).

    The child is killed, because a program that is still starting may miss a gentler signal.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return []
    return [setpriv, "--pdeathsig", "KILL", "--"]
