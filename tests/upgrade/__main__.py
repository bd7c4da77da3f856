"""`python -m tests.upgrade > tests/upgrade/VERSION.sql`: dumps a database that this release filled
while it ran.

Run it for each release. tests/upgrade/test_upgrade.py migrates each of these files to the current
schema.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from local_stack.cast import PLANS, Cast
from tests.integration.dumps import program_path
from tests.integration.stack import Api, Databases, Stack, control, wait_for

REQUESTS = "organizations/acme/mitigation-requests"
# The development key of portal/settings.py, so that the test can decrypt the encrypted columns.
KEY = {"PORTAL_ENCRYPTION_KEYS": "b25seS1mb3ItZGV2ZWxvcG1lbnQtMDEyMzQ1Njc4OTA="}


def main() -> None:
    databases = Databases("")
    try:
        with tempfile.TemporaryDirectory() as folder:
            sys.stdout.write(_dump_of_a_used_portal(databases.make("release"), Path(folder)))
    finally:
        databases.close()


def _dump_of_a_used_portal(url: str, folder: Path) -> str:
    with Stack(folder, database_url=url, cast=Cast(plans=PLANS), environment=KEY) as stack:
        control(stack, "northgate", "/behaviour", {"status_delay_s": 0.2, "terminating_s": 1})
        alice = Api(stack, "alice")
        live, ended = (
            alice.post(REQUESTS, {"targets": {"prefixes": [prefix]}, "reason": "HTTP flood"})
            for prefix in ("203.0.113.20/32", "203.0.113.40/32")
        )
        for one in (live, ended):
            wait_for(lambda: alice.get(f"{REQUESTS}/{one['id']}")["status"] == "mitigating")  # noqa: B023 - at once
        alice.post(f"{REQUESTS}/{ended['id']}/terminate")
        wait_for(lambda: alice.get(f"{REQUESTS}/{ended['id']}")["status"] == "terminated")
    options = ("--inserts", "--no-owner", "--no-privileges", "--exclude-table-data=django_session")
    dump = [program_path("pg_dump"), *options, url]
    dumped = subprocess.run(dump, check=True, capture_output=True, text=True)
    # Only psql understands these lines, or older servers do not know them.
    lines = dumped.stdout.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(("\\", "--",
    "SET transaction_timeout", "\n")))  # fmt: skip


if __name__ == "__main__":
    main()
