from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_stack.processes import BoundedLog, Process, ProcessFailed, Program, run_to_end

Launch = Callable[..., Process]
SLEEP = "import time; print('ready', flush=True); time.sleep(60)"
TALKS = "import time; print('ready', *range(99), sep='\\n', flush=True); time.sleep(60)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SLEEP


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    launched: list[Process] = []

    def launch(code: str, **options: object) -> Process:
        process = Process(python(code, tmp_path, **options), tmp_path / "log" / "some.log")
        launched.append(process)
        process.start()
        return process

    yield launch
    for process in launched:
        process.kill()


def python(code: str, directory: Path, **options: object) -> Program:
    settings: dict[str, object] = {
        "is_ready": lambda process: process.has_printed("ready"),
        "ready_within_s": 10,
        **options,
    }
    return Program(
        name="some",
        command=[sys.executable, "-c", code],
        environment=os.environ,
        directory=directory,
        **settings,  # type: ignore[arg-type]  # the fields of Program
    )


def test_a_process_is_ready_when_it_reports_it(launch: Launch) -> None:
    process = launch(SLEEP)

    process.wait_until_ready()

    assert process.is_running
    assert process.log_path.read_text() == "ready\n"


def test_a_process_is_ready_though_it_printed_much_since(launch: Launch) -> None:
    process = launch(TALKS)
    deadline = time.monotonic() + 10
    while "98" not in process.last_lines() and time.monotonic() < deadline:
        time.sleep(0.05)

    process.wait_until_ready()

    assert "ready" not in process.last_lines()


def test_a_process_that_exits_during_startup_fails_with_its_last_log_lines(launch: Launch) -> None:
    process = launch("raise SystemExit('the port is taken')")

    with pytest.raises(
        ProcessFailed, match=r"some stopped while it started \(exit code 1\)"
    ) as failed:
        process.wait_until_ready()

    assert failed.value.last_lines == ["the port is taken"]


def test_a_process_that_never_becomes_ready_times_out(launch: Launch) -> None:
    process = launch(SLEEP, is_ready=lambda _: False, ready_within_s=0.2)

    with pytest.raises(ProcessFailed, match="was not ready"):
        process.wait_until_ready()


def test_a_stop_sends_sigterm_first(launch: Launch) -> None:
    process = launch(SLEEP)
    process.wait_until_ready()

    process.stop()

    assert process.exit_code == -signal.SIGTERM


def test_a_process_that_ignores_the_stop_is_killed_after_its_grace_period(
    launch: Launch, caplog: pytest.LogCaptureFixture
) -> None:
    process = launch(DEAF, stops_within_s=0.2)
    process.wait_until_ready()

    process.stop()

    assert process.exit_code == -signal.SIGKILL
    [warning] = caplog.messages
    assert "did not stop within 0.2 s and was killed" in warning
    assert str(process.log_path) in warning


def test_a_frozen_process_can_still_be_stopped(launch: Launch) -> None:
    process = launch(SLEEP)
    process.wait_until_ready()
    process.freeze()

    process.stop()

    assert process.exit_code == -signal.SIGTERM


def test_a_killed_process_restarts_and_becomes_ready_again(launch: Launch) -> None:
    process = launch(SLEEP)
    process.wait_until_ready()
    first = process.pid
    process.kill()

    process.restart()

    assert process.is_running
    assert process.pid != first


def test_standard_input_reaches_the_process(launch: Launch) -> None:
    process = launch(
        "import sys; print('ready', sys.stdin.read(), flush=True)", standard_input=b"steady"
    )

    process.wait_until_ready()

    assert process.last_lines() == ["ready steady"]


def test_a_failing_command_raises(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed, match="exit code 3"):
        run_to_end(python("raise SystemExit(3)", tmp_path), tmp_path / "some.log")


def test_a_successful_command_returns_its_output(tmp_path: Path) -> None:
    assert run_to_end(python("print('done')", tmp_path), tmp_path / "some.log") == "done"


def test_a_log_keeps_its_newest_part_within_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "some.log"

    with BoundedLog(path, bytes_max=100) as log:
        for number in range(100):
            log.write(f"line {number}\n".encode())

    assert path.read_text().endswith("line 99\n")
    assert path.stat().st_size <= 100
    assert path.with_suffix(".log.1").stat().st_size <= 100
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
def test_a_child_ends_with_its_parent_even_if_the_parent_is_killed(tmp_path: Path) -> None:
    parent = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from local_stack.processes import Process, Program
command = [sys.executable, '-c', {SLEEP!r}]
child = Process(Program('child', command, {{}}, Path('.'), lambda process: process.has_printed('ready')),
                Path('child.log'))
child.start()
child.wait_until_ready()
print(child.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent], cwd=tmp_path, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        child = os.pidfd_open(int(process.stdout.readline()))

        process.kill()

        ended, _, _ = select.select([child], [], [], 10)
    assert ended == [child]
    os.close(child)
