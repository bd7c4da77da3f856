"""Walks: `python -m tests.random_walk --steps 10000 --seed 1`, in a database that ends with it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from unittest.mock import patch

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django

django.setup()

# The imports below need loaded apps.
from django.db import transaction  # noqa: E402
from django.test.utils import (  # noqa: E402
    setup_databases,
    setup_test_environment,
    teardown_databases,
)

from portal.core.postgresql import base  # noqa: E402
from tests.random_walk.walk import NO_SUCH_PAGE, Walk, Walked  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.random_walk", description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    setup_test_environment(debug=False)
    databases = setup_databases(verbosity=0, interactive=False)
    began = time.monotonic()
    try:
        # The walk is one transaction, which computes between two statements.
        with patch.object(base, "IDLE_IN_TRANSACTION", "10min"), transaction.atomic():
            walked = Walk(arguments.seed).run(arguments.steps)
            transaction.set_rollback(True)
    finally:
        teardown_databases(databases, verbosity=0)
    _print(walked, time.monotonic() - began)
    return 1 if walked.faults else 0


def _print(walked: Walked, took_s: float) -> None:
    for fault in walked.faults:
        print(fault)
    classes = Counter(status // 100 for status in walked.statuses.elements() if status < 1000)
    own = {name for name in walked.routes if not name.startswith("staff:")} - {NO_SUCH_PAGE}
    print(
        f"{walked.steps} steps in {took_s:.0f} s, {walked.statuses.total()} calls: "
        + ", ".join(f"{number} {kind}xx" for kind, number in sorted(classes.items()) if kind)
    )
    print(
        f"{len(own)} of {walked.known} routes called and {len(walked.routes) - len(own)} of the "
        f"staff site, {len(walked.answered)} of all did as they were asked at least once; "
        f"{walked.frames} frames; {len(walked.faults)} faults"
    )


if __name__ == "__main__":
    sys.exit(main())
