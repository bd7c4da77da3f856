"""`pip install ./clients/python` gives a typed package that needs nothing but Python."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parsed import parsed

ROOT = Path(__file__).parents[3]
PROJECT = ROOT / "clients/python"
COMMAND_TIMEOUT_S = 60
TYPED = """
from importlib.resources import files

print((files("portalctl") / "py.typed").is_file())
"""


def run(*command: object, cwd: Path) -> str:
    ended = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def modules() -> list[Path]:
    found = sorted((PROJECT / "portalctl").rglob("*.py"))
    assert found
    return found


@pytest.mark.integration
def test_the_wheel_brings_the_command_and_its_types(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps"]
    run(*pip, "wheel", *offline, "--no-build-isolation", "-w", tmp_path, PROJECT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    env = tmp_path / "env"
    venv.create(env, symlinks=True)
    python = env / "bin/python"
    run(*pip, "--python", python, "install", *offline, wheel, cwd=tmp_path)

    shown = run(env / "bin/portalctl", "--help", cwd=tmp_path)

    assert all(f"\n    {word}" in shown for word in ("request", "watch", "alert", "forward"))
    assert run(python, "-I", "-c", TYPED, cwd=tmp_path) == "True\n"


@pytest.mark.parametrize("module", modules(), ids=lambda path: path.stem)
def test_a_module_imports_only_the_standard_library_and_its_package(module: Path) -> None:
    outside = set(imported_by(parsed(module.read_text()))) - set(sys.stdlib_module_names)

    assert outside <= {"portalctl"}


def imported_by(tree: ast.Module) -> Iterator[str]:
    """The top-level packages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module
            yield node.module.partition(".")[0]


def test_the_package_has_the_version_and_the_license_of_the_repository() -> None:
    ours, whole = (
        tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        for folder in (PROJECT, ROOT)
    )

    assert [ours[key] for key in ("version", "license", "requires-python")] == [
        whole[key] for key in ("version", "license", "requires-python")
    ]
    assert (PROJECT / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
