"""Prepares a process for lives: Django with the tables in memory, and a quiet log."""

from __future__ import annotations

import logging
import os
import sys
import warnings


def start(module: str) -> None:
    """Called first by the main function of `module`, which may start again from its beginning."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of text have another order in each process otherwise.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]])
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.simulation.settings"

    import django

    django.setup()
    logging.disable(logging.CRITICAL)
    sys.unraisablehook = _ignore
    warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
    logging.getLogger().handlers.clear()

    from tests.simulation.database import make_tables
    from tests.simulation.reports import NOTE_WRITES
    from tests.simulation.writers import NOTE_WRITERS

    make_tables(NOTE_WRITES + NOTE_WRITERS)


def _ignore(_: object) -> None:
    """What is left of processes that died in the middle may fail when it is destroyed."""
