"""`portalctl forward`: a log, an endpoint, and a portal that may be away."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from portalctl.alerts import post
from portalctl.forward.command import Forwarder
from portalctl.forward.follower import Follower
from portalctl.forward.outbox import MAX_WAITING
from portalctl.forward.window import MAX_KEYS, WINDOW_S
from portalctl.terminal import Terminal

from tests.clients.python.stub import BROKEN, Prepared, Stub, problem

ROOT = Path(__file__).parents[3]
TAKEN = Prepared(202, {"accepted": 1, "over_limit": 0})
AWAY = Prepared(BROKEN)
LINE = (
    "2026/11/28 18:00:00 [error] 12#12: *345 limiting requests, excess: 20.480 by zone "
    '"{zone}", client: 198.51.100.9, server: shop.example, request: "GET /?s=secret HTTP/1.1", '
    'host: "shop.example"\n'
)


class Log:
    """The file that a web server writes, and the forwarder that follows it, on a clock that the
    test moves.
    """

    def __init__(self, path: Path, stub: Stub) -> None:
        self.path = path
        self.now_s = 0.0
        self.err = io.StringIO()
        path.write_text(LINE.format(zone="before-the-start"))
        self.follower = Follower(path)
        self.forwarder = Forwarder(
            self.follower,
            "nginx",
            lambda body: post(f"{stub.url}/api/v1/alerts/1", "s3cret", body),
            Terminal(err=self.err),
            self.now_s,
        )

    def write(self, *zones: str) -> None:
        with self.path.open("a") as file:
            file.writelines(LINE.format(zone=zone) for zone in zones)

    def look(self, after_s: float = 0.0) -> None:
        """Read everything that is there, and let the time pass."""
        self._drain()
        self.now_s += after_s
        self._drain()

    def _drain(self) -> None:
        while self.forwarder.turn(self.now_s):
            pass


@pytest.fixture
def log(tmp_path: Path, stub: Stub) -> Iterator[Log]:
    log = Log(tmp_path / "error.log", stub)
    yield log
    log.follower.close()


def sent(stub: Stub) -> list[Any]:
    return [record for call in stub.calls for record in call.json]


def zones(stub: Stub) -> list[str]:
    return [record["message"].split('"')[1] for record in sent(stub)]


def test_lines_of_ten_seconds_are_one_record_with_their_count(log: Log, stub: Stub) -> None:
    stub.prepare(TAKEN)
    log.write(*["one"] * 300, "two")

    log.look()
    assert not stub.calls
    log.look(WINDOW_S)

    assert [(one["message"], one["count"]) for one in sent(stub)] == [
        ('limiting requests, excess: 20.480 by zone "one", host: "shop.example"', 300),
        ('limiting requests, excess: 20.480 by zone "two", host: "shop.example"', 1),
    ]


def test_a_quiet_log_sends_nothing(log: Log, stub: Stub) -> None:
    log.look(WINDOW_S)
    log.look(WINDOW_S)

    assert not stub.calls


def test_a_renamed_log_is_read_to_its_end_and_then_the_new_one(log: Log, stub: Stub) -> None:
    stub.prepare(TAKEN)
    log.write("one")
    log.look()
    old = log.path.rename(log.path.with_suffix(".1"))
    with old.open("a") as file:
        file.write(LINE.format(zone="late"))
    log.look()
    log.write("new")

    log.look(WINDOW_S)

    assert zones(stub) == ["one", "late", "new"]


def test_a_truncated_log_is_read_from_its_beginning(log: Log, stub: Stub) -> None:
    stub.prepare(TAKEN)
    log.write("one", "one")
    log.look()
    os.truncate(log.path, 0)
    log.write("new")

    log.look(WINDOW_S)

    assert zones(stub) == ["one", "new"]


def test_half_a_line_waits_for_its_other_half(log: Log, stub: Stub) -> None:
    stub.prepare(TAKEN)
    half = len(LINE) // 2
    with log.path.open("a") as file:
        file.write(LINE[:half])
    log.look()
    with log.path.open("a") as file:
        file.write(LINE[half:])

    log.look(WINDOW_S)

    assert zones(stub) == ["{zone}"]


def test_a_payload_that_found_no_portal_is_sent_later_and_before_the_newer_ones(
    log: Log, stub: Stub
) -> None:
    stub.prepare(AWAY, TAKEN)
    log.write("one")
    log.look(WINDOW_S)
    log.write("two")

    log.look(WINDOW_S)
    log.look()

    assert zones(stub) == ["one", "one", "two"]
    assert log.err.getvalue().splitlines()[-1] == "portalctl: The portal answers again."


def test_the_next_try_waits(log: Log, stub: Stub) -> None:
    stub.prepare(Prepared(503, None, {"Retry-After": "9"}), TAKEN)
    log.write("one")
    log.look(WINDOW_S)

    log.look(8.9)
    assert len(stub.calls) == 1
    log.look(0.2)

    assert len(stub.calls) == 2


def test_too_many_payloads_push_out_the_oldest_which_are_counted(log: Log, stub: Stub) -> None:
    stub.prepare(AWAY)
    for number in range(MAX_WAITING + 2):
        log.write(f"zone{number}")
        log.look(WINDOW_S)

    assert "Lost since the start: 2 records waited too long for the portal." in log.err.getvalue()


def test_too_many_keys_are_counted_and_not_sent(log: Log, stub: Stub) -> None:
    stub.prepare(TAKEN)
    log.write(*[f"zone{number}" for number in range(MAX_KEYS + 3)])

    log.look(WINDOW_S)

    assert len(sent(stub)) == MAX_KEYS
    assert "3 lines had no place in their window" in log.err.getvalue()


def test_a_refused_payload_is_not_repeated_and_is_counted(log: Log, stub: Stub) -> None:
    stub.prepare(Prepared(401, problem(401, "wrong-secret", "The secret is wrong.")))
    log.write("one")

    log.look(WINDOW_S)
    log.look(WINDOW_S)

    assert len(stub.calls) == 1
    assert "The portal refused 1 records. The secret is wrong." in log.err.getvalue()
    assert "Lost since the start: 1 records were refused." in log.err.getvalue()


def test_records_that_the_portal_only_counted_are_lost_too(log: Log, stub: Stub) -> None:
    stub.prepare(Prepared(202, {"accepted": 0, "over_limit": 1}))
    log.write("one")

    log.look(WINDOW_S)
    log.look(WINDOW_S)

    assert "1 records were refused" in log.err.getvalue()


def test_the_end_sends_what_was_read_and_counts_what_no_one_took(log: Log, stub: Stub) -> None:
    stub.prepare(AWAY)
    log.write("one")

    log.forwarder.finish(log.now_s)

    assert zones(stub) == ["one"]
    assert "1 records waited too long for the portal" in log.err.getvalue()


@pytest.fixture
def command(tmp_path: Path, stub: Stub, secret: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "portalctl", "forward", "--source", "nginx"),
        *("--file", str(tmp_path / "error.log"), "--secret-file", str(secret)),
        *("--endpoint", f"{stub.url}/api/v1/alerts/1"),
    ]


def test_the_process_says_what_it_forgets_and_ends_on_sigterm_with_everything_sent(
    tmp_path: Path, stub: Stub, command: list[str]
) -> None:
    stub.prepare(TAKEN)
    path = tmp_path / "error.log"
    path.touch()
    environment = os.environ | {"PYTHONPATH": str(ROOT / "clients/python")}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        began = process.stderr.readline()
        path.write_text(LINE.format(zone="one"))
        process.send_signal(signal.SIGTERM)
        process.wait(20)

    assert "Lines that are written while this program does not run are never sent." in began
    assert process.returncode == 0
    assert zones(stub) == ["one"]
    assert stub.calls[0].headers["Authorization"] == "Bearer s3cret"


def test_a_log_that_can_no_longer_be_read_ends_the_process_after_what_was_read_is_sent(
    tmp_path: Path, stub: Stub, command: list[str]
) -> None:
    stub.prepare(TAKEN)
    path = tmp_path / "error.log"
    path.touch()
    environment = os.environ | {"PYTHONPATH": str(ROOT / "clients/python")}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        process.stderr.readline()
        path.write_text(LINE.format(zone="one"))
        path.rename(tmp_path / "error.log.1")
        path.mkdir()
        process.wait(20)
        said = process.stderr.read()

    assert process.returncode == 2
    assert "error.log: Is a directory" in said
    assert zones(stub) == ["one"]


def test_a_log_that_cannot_be_read_ends_with_2(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "error.log").mkdir()
    environment = os.environ | {"PYTHONPATH": str(ROOT / "clients/python")}

    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=20, check=False
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "This is not a file." in ended.stderr


def test_nothing_of_a_client_leaves_the_machine(log: Log, stub: Stub) -> None:
    stub.prepare(TAKEN)
    log.write("one")

    log.look(WINDOW_S)

    said = json.dumps(sent(stub))
    assert "198.51.100.9" not in said
    assert "secret" not in said
