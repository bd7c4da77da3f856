"""How each of the portal's processes is run, with the settings that were measured."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from local_stack.ports import LOOPBACK
from local_stack.processes import Program

ROOT = Path(__file__).resolve().parent.parent
PROBE_TIMEOUT_S = 2.0
SOCKET_MESSAGE_BYTES_MAX = 65_536
# A task has a bound of its own; threads cannot be ended from outside.
WORKER_STOPS_WITHIN_S = 15.0


def manage(
    arguments: tuple[str, ...], standard_input: str, environment: Mapping[str, str]
) -> Program:
    return Program(
        name=f"manage.py {arguments[0]}",
        command=[sys.executable, str(ROOT / "manage.py"), *arguments],
        environment=environment,
        directory=ROOT,
        ready_within_s=300,
        standard_input=standard_input.encode(),
    )


def web(port: int, environment: Mapping[str, str]) -> Program:
    options = (
        f"--host {LOOPBACK} --port {port} --lifespan off --timeout-graceful-shutdown 5 "
        "--http portal.core.http:BoundedHttp "
        f"--ws-max-size {SOCKET_MESSAGE_BYTES_MAX} --ws-ping-interval 20"
    )
    return Program(
        name="web",
        command=[sys.executable, "-m", "uvicorn", "portal.asgi:application", *options.split()],
        environment=environment,
        directory=ROOT,
        is_ready=lambda _: answers_http(f"http://{LOOPBACK}:{port}/healthz"),
    )


def signal_worker(name: str, environment: Mapping[str, str]) -> Program:
    """It keeps the sessions with the providers."""
    return _celery(
        name,
        f"worker -Q signal -n {name}@%h -P threads -c 4 --without-gossip --without-mingle",
        {**environment, "PORTAL_SIGNAL_AGENT": "1"},
        announcement=" ready.",
    )


def default_worker(environment: Mapping[str, str]) -> Program:
    return _celery(
        "worker",
        "worker -Q default -n worker@%h -P threads -c 2 --without-gossip --without-mingle",
        environment,
        announcement=" ready.",
    )


def beat(schedule: Path, environment: Mapping[str, str]) -> Program:
    return _celery("beat", "beat", environment, "-s", str(schedule), announcement="beat: Starting")


def answers_http(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PROBE_TIMEOUT_S) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _celery(
    name: str, options: str, environment: Mapping[str, str], *more: str, announcement: str
) -> Program:
    return Program(
        name=name,
        command=[
            sys.executable,
            "-m",
            "celery",
            "-A",
            "portal",
            *options.split(),
            "-l",
            "INFO",
            *more,
        ],
        environment=environment,
        directory=ROOT,
        is_ready=lambda process: process.has_printed(announcement),
        stops_within_s=WORKER_STOPS_WITHIN_S,
    )
