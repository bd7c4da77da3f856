from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from local_stack.ports import free_port, hand_over
from tests.integration.stack import wait_for

ROOT = Path(__file__).resolve().parents[2]
STARTS_WITHIN_S = 300
"""As local_stack/programs.py gives `manage.py migrate` alone: the first start needs it."""
STOPS_WITHIN_S = 30


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.integration)


class Demo:
    """scripts/demo with its state in a folder, which is empty at first."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.start()

    def start(self) -> None:
        self.port = hand_over(free_port())
        with (self.state / "said").open("wb") as output:
            self.process = run_demo(self.state, "--port", str(self.port), output=output)

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    @property
    def said(self) -> str:
        """The output since the last start."""
        return (self.state / "said").read_text()

    @property
    def children(self) -> list[psutil.Process]:
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def description(self) -> dict[str, Any]:
        """The contents of demo.json once it exists; the demo's output if it fails."""
        written = self.state / "demo.json"
        wait_for(lambda: written.exists() or not self.is_running, within_s=STARTS_WITHIN_S)
        assert written.exists(), self.said
        described: dict[str, Any] = json.loads(written.read_text())
        return described


def run_demo(state: Path, *arguments: str, output: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(ROOT / "scripts/demo"), "--headless", "--state", str(state), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    )


@pytest.fixture(scope="module")
def _demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("demo"))
    yield demo
    demo.kill()


@pytest.fixture
def demo(_demo: Demo) -> Demo:
    """Its start takes long, so the tests of a file share one, which a test may end."""
    if not _demo.is_running:
        _demo.start()
    _demo.description()
    return _demo
