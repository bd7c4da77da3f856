"""Starts the portal's processes as forks of one that has imported the portal already.

A process of the portal spends two to three seconds of CPU on imports, and the tests start hundreds.
A fork has the same arguments, environment, standard streams and end as the executed program. What
is executed for real: a program of another directory, and one with its own variables of the
interpreter or the loader, which would come too late here.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from runpy import run_module
from typing import IO, Any, Final, NamedTuple

from local_stack.processes import Program, Running, execute
from local_stack.programs import ROOT

MESSAGE_BYTES_MAX: Final = 131_072
FDS_MAX: Final = 3
DIED: Final = -signal.SIGKILL
PR_SET_PDEATHSIG: Final = 1
OF_THE_INTERPRETER: Final = ("PYTHON", "LD_")
LIBRARIES: Final = (
    "aiocoap",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "cryptography.x509",
    "django.core.management",
    "django.db.models",
    "django.forms",
    "django.template",
    "httpx",
    "provider_simulator.control",
    "provider_simulator.gateway_server",
    "provider_simulator.provider_server",
    "psycopg_pool",
    "redis.asyncio",
    "requests",
    "uvicorn.main",
    "webauthn",
)
"""The largest of those that need no settings; a server for one environment starts with them."""
OF_ONE_PROGRAM: Final = ("PORTAL_SIGNAL_AGENT",)
"""The portal reads it when a program starts, and loads without it."""
HARMLESS: Final = frozenset({"PYTHONUNBUFFERED"})
"""A fork writes its lines at once, too."""


class Forked:
    """A forked process: the part of `subprocess.Popen` that tests use."""

    def __init__(self, pid: int, stdin: IO[bytes], stdout: IO[bytes], status: int) -> None:
        """`status`: the end of a pipe on which the fork server reports the exit code."""
        self.pid = pid
        self.stdin: IO[bytes] | None = stdin
        self.stdout: IO[bytes] | None = stdout
        self._status = status
        self._exit_code: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        return self._exit_code_within(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._exit_code_within(timeout)
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def _exit_code_within(self, timeout: float | None) -> int | None:
        with self._lock:
            if self._exit_code is None and select.select([self._status], [], [], timeout)[0]:
                # Nothing: the server was killed, and the kernel killed its forks with it.
                self._exit_code = int(os.read(self._status, 16) or DIED)
                os.close(self._status)
            return self._exit_code


class _Loaded(NamedTuple):
    """A server process that has imported the portal with one environment."""

    channel: socket.socket
    forks: list[Forked]

    @property
    def is_idle(self) -> bool:
        return all(fork.poll() is not None for fork in self.forks)


class ForkServer:
    """Starts programs; one server process for each environment that is in use. Closing it ends what
    still runs.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._first: socket.socket | None = None
        self._loaded: dict[str, _Loaded] = {}

    def start(self, program: Program) -> Running:
        if not _can_fork(program):
            return execute(program)
        with self._lock:
            environment = dict(program.environment)
            own = {name: environment.pop(name) for name in OF_ONE_PROGRAM if name in environment}
            key = json.dumps(environment, sort_keys=True)
            if key not in self._loaded:
                self._end_idle()
                self._loaded[key] = self._load(environment)
            try:
                fork = _fork(self._loaded[key].channel, program, own)
            except (EOFError, BrokenPipeError, ConnectionResetError):
                # The portal does not load with this environment: the program itself says why.
                self._loaded.pop(key).channel.close()
                return execute(program)
            self._loaded[key].forks.append(fork)
            return fork

    def close(self) -> None:
        for loaded in self._loaded.values():
            loaded.channel.close()
        self._loaded.clear()
        if self._first is not None:
            self._first.close()
            self._first = None
        if self._process is not None:
            self._process.wait()
            self._process = None

    def _load(self, environment: Mapping[str, str]) -> _Loaded:
        if self._first is None:
            self._first, theirs = _channel()
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.fork_server", str(theirs.fileno())],
                    cwd=ROOT,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
        ours, theirs = _channel()
        with theirs:
            _asked(self._first, {"environment": dict(environment)}, [theirs.fileno()])
        return _Loaded(ours, [])

    def _end_idle(self) -> None:
        """Each takes some 100 MB, and the stack it was for has probably ended."""
        for key in [key for key, loaded in self._loaded.items() if loaded.is_idle]:
            self._loaded.pop(key).channel.close()


def _fork(channel: socket.socket, program: Program, own: Mapping[str, str]) -> Forked:
    _, _, *arguments = program.command
    (stdin_read, stdin), (stdout, stdout_write), (status, status_write) = (
        os.pipe() for _ in range(FDS_MAX)
    )
    given = [stdin_read, stdout_write, status_write]
    try:
        pid = _asked(channel, {"arguments": arguments, "own": own}, given)
    except BaseException:
        for one in (stdin, stdout, status):
            os.close(one)
        raise
    finally:
        for one in given:
            os.close(one)
    return Forked(pid, os.fdopen(stdin, "wb", 0), os.fdopen(stdout, "rb"), status)


def _can_fork(program: Program) -> bool:
    return (
        tuple(program.command[:2]) == (sys.executable, "-m")
        and program.directory == ROOT
        and program.user is None
        and _of_the_interpreter(program.environment) == _of_the_interpreter(os.environ)
    )


def _of_the_interpreter(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(OF_THE_INTERPRETER) and name not in HARMLESS
    }


def _channel() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _asked(channel: socket.socket, message: object, descriptors: list[int]) -> int:
    """The process id of the fork."""
    socket.send_fds(channel, [json.dumps(message).encode()], descriptors)
    answer = channel.recv(16)
    if not answer:
        raise EOFError
    return int(answer)


class Job(NamedTuple):
    """What a fork runs: the module with its arguments, own variables and standard streams."""

    arguments: list[str]
    environment: dict[str, str]
    stdin: int
    output: int


class _Server:
    """The loop of a server process."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._statuses: dict[int, int] = {}
        "the pipe for the exit code of each running fork, by its process id"

    def serve(self) -> Job | None:
        """Returns a job in each fork that runs one, and None in a server whose client has gone."""
        while True:
            with _ends_of_children() as ended:
                job = self._serve(ended)
            if not isinstance(job, dict):
                return job
            # This is a new server, with its own environment.
            os.environ.clear()
            os.environ.update(job)
            _load_portal()

    def _serve(self, ended: socket.socket) -> Job | dict[str, str] | None:
        while True:
            ready = select.select([self._channel, ended], [], [])[0]
            if ended in ready:
                ended.recv(4096)
                self._report_ends()
            if self._channel not in ready:
                continue
            message, descriptors, _, _ = socket.recv_fds(self._channel, MESSAGE_BYTES_MAX, FDS_MAX)
            if not message:
                return None
            wanted = json.loads(message)
            pid = os.fork()
            if pid == 0:
                return self._become(wanted, descriptors)
            if "arguments" in wanted:
                self._statuses[pid] = descriptors.pop()
            for one in descriptors:
                os.close(one)

    def _become(self, wanted: dict[str, Any], descriptors: list[int]) -> Job | dict[str, str]:
        # Now its group can be killed.
        os.setsid()
        self._channel.send(str(os.getpid()).encode())
        self._channel.close()
        for status in self._statuses.values():
            os.close(status)
        self._statuses.clear()
        if "environment" in wanted:
            self._channel = socket.socket(fileno=descriptors[0])
            environment: dict[str, str] = wanted["environment"]
            return environment
        stdin, output, status = descriptors
        os.close(status)
        return Job(wanted["arguments"], wanted["own"], stdin, output)

    def _report_ends(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._statuses:
                pipe = self._statuses.pop(pid)
                os.write(pipe, str(os.waitstatus_to_exitcode(status)).encode())
                os.close(pipe)


@contextmanager
def _ends_of_children() -> Iterator[socket.socket]:
    """A socket that can be read when a child has ended."""
    read, write = socket.socketpair()
    with read, write:
        write.setblocking(False)
        usual = signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
        try:
            yield read
        finally:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, usual)


def _load_portal() -> None:
    """Everything that any process of the portal imports."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    import django
    from django.conf import settings
    from django.utils.module_loading import autodiscover_modules

    django.setup()
    autodiscover_modules("tasks")
    for module in (settings.ROOT_URLCONF, "portal.routing"):
        import_module(module)
    gc.freeze()


def _take_over(job: Job) -> None:
    """What `execute` arranges before a program starts."""
    os.environ.update(job.environment)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.dup2(job.stdin, 0)
    os.dup2(job.output, 1)
    os.dup2(job.output, 2)
    for one in (job.stdin, job.output):
        os.close(one)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a TextIOWrapper
    # Before it ends by SIGABRT, it prints the stack of each thread.
    faulthandler.enable()


def main() -> None:
    for module in LIBRARIES:
        import_module(module)
    job = _Server(socket.socket(fileno=int(sys.argv[1]))).serve()
    if job is None:
        return
    _take_over(job)
    module, *sys.argv[1:] = job.arguments
    run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
