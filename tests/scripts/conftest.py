from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.made_once import installation

ROOT = Path(__file__).resolve().parents[2]
STARTS_WITHIN_S = 300
"""As local_stack/programs.py gives `manage.py migrate` alone: the first start needs it."""
STOPS_WITHIN_S = 30

Demo = Callable[..., subprocess.Popen[str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture
def state(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """The folder of a demo that need not make certificates and tables first."""
    shutil.copytree(installation(tmp_path_factory), tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """Start scripts/demo with its state in `tmp_path`."""
    started: list[subprocess.Popen[str]] = []

    def demo(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [str(ROOT / "scripts/demo"), "--headless", "--state", str(tmp_path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield demo
    for process in started:
        process.kill()
        process.communicate()
