"""Undoes fixes of the past, one at a time in a copy of the tree, and looks for a seed that fails:
`python -m tests.simulation.undone` (docs/simulation.md).

The exit code is 0 if every undone fix was found.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.copy_tree import copy_tree
from tests.simulation.undone.fixes import FIXES, Fix

ROOT: Final = Path(__file__).resolve().parents[3]
MAX_LIVES: Final = 12_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.undone", description=__doc__)
    parser.add_argument("--lives", type=int, default=MAX_LIVES, help="to run for each, at most")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--requests", type=int, default=8, help="requests of one seed")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="fixes whose name contains this")
    arguments = parser.parse_args()
    missed = 0
    for fix in FIXES:
        if arguments.only in fix.name:
            found = _search(fix, arguments)
            missed += not found
            print(f"{fix.name} ({fix.path})\n  {found or 'not found'}", flush=True)
    return 1 if missed else 0


def _search(fix: Fix, arguments: argparse.Namespace) -> str:
    """The lives that it took, the seed that fails, and what it says; empty if none fails."""
    with tempfile.TemporaryDirectory(prefix="portal-undone-") as folder:
        copy = Path(folder) / "tree"
        copy_tree(ROOT, copy)
        fix.undo(copy)
        options = ("seed", "lives", "requests", "processes")
        ran = subprocess.run(
            [sys.executable, "-m", "tests.simulation"]
            + [f"--{name}={getattr(arguments, name)}" for name in options],
            cwd=copy,
            capture_output=True,
            text=True,
            check=False,
        )
    if ran.returncode not in (0, 1) or " lives in " not in ran.stdout:
        raise SystemExit(ran.stdout + ran.stderr)
    if ran.returncode == 0:
        return ""
    lines = ran.stdout.splitlines()
    return f"{lines[-1].partition(' in ')[0]}: {' '.join(lines[:2])}"


if __name__ == "__main__":
    sys.exit(main())
