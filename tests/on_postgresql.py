"""python -m tests.on_postgresql COMMAND [ARGUMENT ...]

Runs a command with `DATABASE_URL` set to a temporary PostgreSQL, and exits with its exit code. The
server has a database with every table of the portal, which the tests copy: migrations take seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

import psycopg

from local_stack.programs import ROOT
from local_stack.servers import Postgres

TABLES: Final = "TESTS_DATABASE_WITH_TABLES"
"""The variable with the name of that database."""
_NAME: Final = "portal_tables"


def main(command: list[str]) -> int:
    server = Postgres()
    server.start()
    try:
        _make_tables(server)
        environment = {**os.environ, "DATABASE_URL": server.url(), TABLES: _NAME}
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        server.remove()


def _make_tables(server: Postgres) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {_NAME}")
    environment = {**os.environ, "DATABASE_URL": server.url(_NAME), "PORTAL_DEBUG": "1"}
    migrate = [sys.executable, str(ROOT / "manage.py"), "migrate", "--no-input", "--verbosity=0"]
    subprocess.run(migrate, env=environment, check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
