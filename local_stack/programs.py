"""The command of each process of the portal, with measured settings: the only list of them."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from local_stack.ports import LOOPBACK
from local_stack.processes import Program

ROOT = Path(__file__).resolve().parent.parent
PROBE_TIMEOUT_S = 2.0
WEB = (
    "uvicorn portal.asgi:application --lifespan off --http portal.core.http:BoundedHttp"
    " --ws-max-size 65536 --ws-ping-interval 20 --timeout-graceful-shutdown 5"
)
# `manage.py migrate` runs Django's checks, for which a process loads every page and call. What a
# worker itself needs is in portal/checks.py, and without it none starts.
_WORKER = (
    "celery -A portal --skip-checks worker -Q {queue} -P threads -c 4"
    " --without-gossip --without-mingle --without-heartbeat"
)
SIGNAL_WORKER = _WORKER.format(queue="signal")
WORKER = _WORKER.format(queue="default,alerts")
NOTICE_WORKER = _WORKER.format(queue="notices")
BEAT = "celery -A portal --skip-checks beat"
COMMANDS = {
    "web": WEB,
    "signal worker": f"PORTAL_SIGNAL_AGENT=1 {SIGNAL_WORKER}",
    "worker": WORKER,
    "notice worker": NOTICE_WORKER,
    "beat": BEAT,
}
"""The portal's processes.

The containers, docs/operations.md and the programs below run these commands
(tests/test_operations.py), each with its own names, addresses and log levels.
"""
# A task has its own time limit; threads cannot be ended from outside.
WORKER_STOPS_WITHIN_S = 15.0


def manage(
    arguments: tuple[str, ...], standard_input: str, environment: Mapping[str, str]
) -> Program:
    return Program(
        name=f"manage.py {arguments[0]}",
        command=[sys.executable, "-m", "manage", *arguments],
        environment=environment,
        directory=ROOT,
        ready_within_s=300,
        standard_input=standard_input.encode(),
    )


def web(port: int, environment: Mapping[str, str]) -> Program:
    return Program(
        name="web",
        command=_command(WEB, "--host", LOOPBACK, "--port", str(port)),
        environment=environment,
        directory=ROOT,
        is_ready=lambda _: answers_http(f"http://{LOOPBACK}:{port}/healthz"),
    )


def signal_worker(name: str, environment: Mapping[str, str]) -> Program:
    """It holds the sessions with the providers."""
    environment = {**environment, "PORTAL_SIGNAL_AGENT": "1"}
    return _celery(name, SIGNAL_WORKER, environment, "-n", f"{name}@%h", announcement=" ready.")


def default_worker(environment: Mapping[str, str]) -> Program:
    return _celery("worker", WORKER, environment, "-n", "worker@%h", announcement=" ready.")


def notice_worker(environment: Mapping[str, str]) -> Program:
    """It delivers notices: a slow receiver keeps no other work waiting."""
    return _celery(
        "notices", NOTICE_WORKER, environment, "-n", "notices@%h", announcement=" ready."
    )


def beat(schedule: Path, environment: Mapping[str, str]) -> Program:
    return _celery("beat", BEAT, environment, "-s", str(schedule), announcement="beat: Starting")


def answers_http(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PROBE_TIMEOUT_S) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _celery(
    name: str, command: str, environment: Mapping[str, str], *more: str, announcement: str
) -> Program:
    return Program(
        name=name,
        command=_command(command, *more, "-l", "INFO"),
        environment=environment,
        directory=ROOT,
        is_ready=lambda process: process.has_printed(announcement),
        stops_within_s=WORKER_STOPS_WITHIN_S,
    )


def _command(command: str, *more: str) -> list[str]:
    return [sys.executable, "-m", *command.split(), *more]
