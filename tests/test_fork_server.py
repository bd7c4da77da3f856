from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from local_stack.processes import Process, Program
from local_stack.programs import ROOT
from tests.fork_server import ForkServer
from tests.integration.stack import wait_for, wait_until_ended

WITHIN_S = 60
SERVER = ("http.server", "--bind", "127.0.0.1", "0")
"""A program that runs until it is stopped."""
New = Callable[..., Process]


@pytest.fixture
def new(fork_server: ForkServer, tmp_path: Path) -> New:
    def new(*arguments: str, server: ForkServer = fork_server, **options: object) -> Process:
        loads = {**os.environ, "PORTAL_DEBUG": "1", "PYTHONUNBUFFERED": "1"}
        given = {"environment": loads, "directory": ROOT, **options}
        program = Program("one", [sys.executable, "-m", *arguments], **given)  # type: ignore[arg-type]
        return Process(program, tmp_path / "log", start_program=server.start)

    return new


def is_fork(process: Process) -> bool:
    """A fork has the command line of its server."""
    return "tests.fork_server" in psutil.Process(process.pid).cmdline()


@pytest.mark.parametrize(
    ("given", "exit_code", "printed"), [(b'{"a": 1}', 0, '"a": 1'), (b"{", 1, "Expecting")]
)
def test_a_fork_reads_prints_and_exits_as_the_program(
    new: New, given: bytes, exit_code: int, printed: str
) -> None:
    process = new("json.tool", standard_input=given)
    process.start()
    process.wait_until_stopped()
    assert process.exit_code == exit_code
    assert printed in "\n".join(process.last_lines())


def test_a_fork_has_its_own_group_and_ends_by_signals(new: New) -> None:
    process = new(*SERVER)
    process.start()
    assert is_fork(process)
    assert os.getpgid(process.pid) == process.pid
    process.kill()
    assert process.exit_code == -signal.SIGKILL
    process.start()
    process.ask_to_stop()
    process.wait_until_stopped()
    assert process.exit_code == -signal.SIGTERM


def test_a_fork_that_does_not_end_in_time_is_shown_with_its_stack(new: New) -> None:
    process = new(*SERVER)
    process.start()
    wait_for(lambda: process.has_printed("Serving HTTP"))
    with pytest.raises(AssertionError, match=r"(?s)one still ran:.*serve_forever"):
        wait_until_ended([process], within_s=0)
    assert process.exit_code == -signal.SIGABRT


@pytest.mark.parametrize("own", [{}, {"PORTAL_SIGNAL_AGENT": "1"}])
def test_programs_of_one_stack_share_a_server_and_have_their_own_variables(
    new: New, own: dict[str, str]
) -> None:
    server = new(*SERVER)
    server.start()
    of_stack = {**os.environ, "PORTAL_DEBUG": "1", "PYTHONUNBUFFERED": "1"}
    show = "import os; print(os.environ.get('PORTAL_SIGNAL_AGENT'), os.getppid())"
    process = new("timeit", "-n", "1", "-r", "1", "-s", show, environment=of_stack | own)
    process.start()
    process.wait_until_stopped()

    parent = psutil.Process(server.pid).ppid()
    assert f"{own.get('PORTAL_SIGNAL_AGENT')} {parent}" in "\n".join(process.last_lines())
    server.kill()


def test_a_program_with_which_the_portal_does_not_load_is_executed(new: New) -> None:
    broken = {**os.environ, "DATABASE_URL": "no URL"}
    process = new(*SERVER, environment=broken)
    process.start()
    assert not is_fork(process)
    process.kill()


def test_closing_the_server_ends_its_forks(new: New) -> None:
    server = ForkServer()
    process = new(*SERVER, server=server)
    process.start()
    fork = psutil.Process(process.pid)
    server.close()
    fork.wait(WITHIN_S)
    process.wait_until_stopped()
    assert process.exit_code == -signal.SIGKILL
