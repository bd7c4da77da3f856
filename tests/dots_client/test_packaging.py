"""`pip install ./dots_client` gives a typed wheel that works with its declared
dependencies alone.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.locks import locked
from tests.parsed import parsed

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "dots_client"
COMMAND_TIMEOUT_S = 60

USE = """
from dots_client import Scope, Targets, compose
from dots_client.credentials import client_identity
from dots_client.rules import violations
from dots_client.server import serve_dtls

scope = Scope(targets=Targets(target_prefix=("203.0.113.0/26",)))
assert not violations(scope)
print(compose(scope, cuid="acme", mid=1).path)
"""
TYPED_USE = """
from dots_client import Client, Scope, Targets

async def protect(client: Client) -> int | None:
    return (await client.request(1, Scope(targets=Targets()))).lifetime

async def mistake(client: Client) -> str:
    return (await client.request(1, "203.0.113.0/26")).lifetime
"""


def declared() -> dict[str, Requirement]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    requirements = map(Requirement, project["dependencies"])
    return {canonicalize_name(one.name): one for one in requirements}


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )


def with_their_own(names: list[str]) -> Iterator[Distribution]:
    """The distributions and their own requirements, as installed here."""
    seen: set[str] = set()
    while names:
        name = canonicalize_name(names.pop())
        if name in seen:
            continue
        seen.add(name)
        found = distribution(name)
        yield found
        requirements = map(Requirement, found.requires or ())
        names += [
            one.name
            for one in requirements
            if one.marker is None or one.marker.evaluate({"extra": ""})
        ]


def link_dependencies(site_packages: Path) -> None:
    """Make the declared dependencies importable, without a package index."""
    for found in with_their_own(list(declared())):
        for file in found.files or ():
            top = file.parts[0]
            if top != ".." and not (site_packages / top).exists():
                (site_packages / top).symlink_to(Path(str(found.locate_file(top))))


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment with the wheel, its dependencies and no pip."""
    folder = tmp_path / "installed"
    folder.mkdir()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps"]
    built = run(*pip, "wheel", *offline, "--no-build-isolation", "-w", folder, PROJECT, cwd=folder)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    env = folder / "env"
    venv.create(env, symlinks=True)
    python = env / "bin" / "python"
    installed = run(*pip, "--python", python, "install", *offline, wheel, cwd=folder)
    assert installed.returncode == 0, installed.stderr
    layout = {"base": str(env), "platbase": str(env)}
    link_dependencies(Path(sysconfig.get_path("purelib", "venv", vars=layout)))
    return env


@pytest.mark.integration
def test_the_wheel_works_with_its_dependencies_alone_and_brings_types_and_the_command(
    environment: Path, tmp_path: Path
) -> None:
    python = environment / "bin" / "python"

    used = run(python, "-I", "-c", USE, cwd=tmp_path)
    assert (used.stdout, used.stderr) == ("/.well-known/dots/mitigate/cuid=acme/mid=1\n", "")

    shown = run(environment / "bin" / "dots-client", "--help", cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "mitigate" in shown.stdout

    (tmp_path / "used.py").write_text(TYPED_USE)
    options = ("--python-executable", python, "--config-file", "", "--no-error-summary")
    checked = run(sys.executable, "-m", "mypy", *options, "used.py", cwd=tmp_path)
    assert re.findall(r":(\d+): error: .*\[(.*)\]", checked.stdout) == [
        ("8", "return-value"),
        ("8", "arg-type"),
    ]


def test_each_library_that_is_imported_is_declared_and_no_other() -> None:
    distributions = packages_distributions()
    imported = {
        canonicalize_name(name)
        for path in PROJECT.rglob("*.py")
        for module in imported_by(parsed(path.read_text()))
        if module != "dots_client" and module not in sys.stdlib_module_names
        for name in distributions[module]
    }

    assert imported == declared().keys()


def imported_by(tree: ast.Module) -> Iterator[str]:
    """The top-level packages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module
            yield node.module.partition(".")[0]


def test_the_versions_it_is_tested_with_are_those_it_accepts() -> None:
    pins = {name: one.version for name, one in locked(ROOT / "requirements.txt").items()}

    assert {name: one.specifier.contains(pins[name]) for name, one in declared().items()} == (
        dict.fromkeys(declared(), True)
    )


def test_the_package_has_the_version_and_the_license_of_the_repository() -> None:
    ours, whole = (
        tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        for folder in (PROJECT, ROOT)
    )

    assert [ours[key] for key in ("version", "license", "requires-python")] == [
        whole[key] for key in ("version", "license", "requires-python")
    ]
    assert (PROJECT / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
