"""python -m tests.on_postgresql COMMAND [ARGUMENT ...]

Runs a command with `DATABASE_URL` set to a temporary PostgreSQL, and exits with its exit code.
"""

from __future__ import annotations

import os
import subprocess
import sys

from local_stack.servers import Postgres


def main(command: list[str]) -> int:
    server = Postgres()
    server.start()
    try:
        environment = {**os.environ, "DATABASE_URL": server.url()}
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        server.remove()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
