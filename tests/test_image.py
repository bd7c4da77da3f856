"""The images of the containers hold what runs, and nothing else."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNS = {"requirements.txt", "manage.py", "dots_client", "portal", "templates", "static"}
SIMULATES = {"dots_server", "provider_simulator", "local_stack"}


def copied(stage: str) -> set[str]:
    """What the stage and those it begins with take from the tree."""
    stages: dict[str, tuple[str, set[str]]] = {}
    name = ""
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        words = line.split()
        if words[:1] == ["FROM"]:
            name = words[3]
            stages[name] = (words[1], set())
        elif words[:1] == ["COPY"]:
            stages[name][1].update(words[1:-1])
    found: set[str] = set()
    while stage in stages:
        stage, own = stages[stage]
        found |= own
    return found


def test_the_image_of_the_portal_has_no_tests_and_no_simulator() -> None:
    assert copied("portal") == RUNS


def test_the_image_of_the_simulator_has_no_tests() -> None:
    assert copied("simulator") == RUNS | SIMULATES


def test_the_portal_imports_nothing_that_its_image_lacks() -> None:
    missing = ("tests", *SIMULATES)

    assert [
        str(path.relative_to(ROOT))
        for path in (ROOT / "portal").rglob("*.py")
        for line in path.read_text().splitlines()
        if line.startswith(
            tuple(f"{verb} {name}" for verb in ("import", "from") for name in missing)
        )
    ] == []
