"""Type docs/client.md from top to bottom, and compare the output."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from local_stack.ports import free_port

ROOT = Path(__file__).parents[3]
TUTORIAL = ROOT / "docs" / "client.md"
BLOCK = re.compile(r"^```(sh|text|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SEPARATOR = "\x1e"
PATIENCE_S = 240
PROLOGUE = "set -euo pipefail; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"


@dataclass
class Step:
    commands: str
    expected: str = ""


@dataclass
class Tutorial:
    steps: list[Step] = field(default_factory=list)
    program: str = ""


def read_tutorial() -> Tutorial:
    tutorial = Tutorial()
    for kind, body in BLOCK.findall(TUTORIAL.read_text(encoding="utf-8")):
        if kind == "sh":
            tutorial.steps.append(Step(body))
        elif kind == "text":
            tutorial.steps[-1].expected = body
        else:
            tutorial.program = body
    return tutorial


def matches(expected: str, shown: str) -> bool:
    """An ellipsis stands for any text within a line."""
    lines = [".*".join(map(re.escape, line.split("…"))) for line in expected.splitlines()]
    return re.fullmatch("\n".join(lines), shown.rstrip("\n")) is not None


def typed(script: str, *, folder: Path, environment: dict[str, str]) -> str:
    """The output of a shell. Nothing that it started outlives it."""
    shell = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        printed, complaints = shell.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.communicate()
        raise
    assert shell.returncode == 0, complaints
    return printed


@pytest.mark.timeout(PATIENCE_S + 30)
@pytest.mark.integration
def test_every_command_of_the_tutorial_works_as_shown(tmp_path: Path) -> None:
    tutorial = read_tutorial()
    # The program at the end runs while the provider still does.
    (tmp_path / "protect.py").write_text(tutorial.program, encoding="utf-8")
    program = Step("python protect.py\n", "granted for 600 seconds")
    steps = [*tutorial.steps[:-1], program, tutorial.steps[-1]]
    script = f"{PROLOGUE}\n" + f"printf '{SEPARATOR}'\n".join(step.commands for step in steps)
    signal_port, control_port = free_port(), free_port()
    # The tutorial's ports may be in use here, so free ones replace them.
    for known, free in (("4646", signal_port), ("4650", control_port)):
        script = script.replace(known, str(free))
    source = tmp_path / "protect.py"
    source.write_text(source.read_text("utf-8").replace("4646", str(signal_port)), "utf-8")
    environment = {name: value for name, value in os.environ.items() if "DOTS" not in name}

    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment["PYTHONPATH"] = str(ROOT)

    printed = typed(script, folder=tmp_path, environment=environment)

    for step, shown in zip(steps, printed.split(SEPARATOR), strict=True):
        assert matches(step.expected, shown), f"{step.commands}\n{shown}"
