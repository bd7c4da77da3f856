"""Servers beside or in front of PostgreSQL: a standby, and a pooler."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import pytest

from local_stack.ports import LOOPBACK, free_port
from local_stack.processes import Process, Program
from local_stack.servers import NOBODY, Postgres

POOLED: Final = 4
"""Server connections shared by all clients of the pooler: fewer than the portal's processes use."""


class Standby(Postgres):
    """Follows `primary` read-only and replaces it on request."""

    def __init__(self, primary: Postgres) -> None:
        super().__init__()
        self._primary = primary

    def start(self) -> None:
        self._run("pg_basebackup", "-D", str(self.directory / "data"), "--write-recovery-conf",
                  "--checkpoint=fast", "-d", self._primary.url())  # fmt: skip
        self.process.start()
        self.process.wait_until_ready()

    def promote(self) -> None:
        self._run("pg_ctl", "promote", "-D", str(self.directory / "data"))

    def _program(self) -> Program:
        return replace(
            super()._program(),
            is_ready=lambda process: process.has_printed("ready to accept read-only connections"),
        )


Server = TypeVar("Server", bound=Postgres)


@contextmanager
def running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.remove()


@contextmanager
def pgbouncer(server: Postgres) -> Iterator[int]:
    """The port of a PgBouncer in transaction mode, without any setting for the portal."""
    executable = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if executable is None:
        if os.environ.get("CI") == "true":
            pytest.fail("pgbouncer is missing: apt-get install pgbouncer")
        pytest.skip("pgbouncer is not installed")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="portal-pgbouncer-") as made:
        directory = Path(made)
        users = directory / "users.txt"
        users.write_text('"postgres" ""\n')
        configuration = directory / "pgbouncer.ini"
        configuration.write_text(
            f"[databases]\n* = host={LOOPBACK} port={server.port}\n"
            f"[pgbouncer]\nlisten_addr = {LOOPBACK}\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {users}\n"
            f"pool_mode = transaction\ndefault_pool_size = {POOLED}\nmax_client_conn = 200\n"
        )
        directory.chmod(0o755)
        process = Process(
            Program(
                name="pgbouncer",
                command=[executable, str(configuration)],
                environment={"PATH": os.environ.get("PATH", os.defpath)},
                directory=directory,
                is_ready=lambda process: process.has_printed("process up"),
                # It refuses to run as root, and does not need to.
                user=NOBODY if os.getuid() == 0 else None,
            ),
            directory / "pgbouncer.log",
        )
        process.start()
        try:
            process.wait_until_ready()
            yield port
        finally:
            process.kill()
