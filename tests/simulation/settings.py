"""The tests' settings with a database in memory."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403

# The simulation runs the database calls of its workers on the thread of its event loop.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"

DEBUG = False

DATABASES = {
    "default": {
        "ENGINE": "tests.simulation.backend",
        "NAME": ":memory:",
        "OPTIONS": {
            "cached_statements": 1000,
            "init_command": "PRAGMA synchronous=OFF;PRAGMA journal_mode=MEMORY;",
        },
    }
}
CHANNEL_LAYERS = {"default": {"BACKEND": "tests.simulation.wakeups.WakeupLayer"}}
