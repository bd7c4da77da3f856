"""One word per thing: no two public classes of a package share a name."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

from tests.parsed import parsed

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = [
    "portal",
    "clients/python/portalctl",
    "dots_client",
    "dots_server",
    "provider_simulator",
    "local_stack",
]
NAMED_BY_DJANGO = {"Command", "Migration"}
"""Django finds these classes by their name."""


@pytest.mark.parametrize("package", PACKAGES)
def test_no_two_public_classes_of_a_package_share_a_name(package: str) -> None:
    modules: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in parsed(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules[node.name].append(str(path.relative_to(ROOT)))

    assert modules
    shared = {name: found for name, found in modules.items() if len(found) > 1}
    assert not shared.keys() - NAMED_BY_DJANGO, shared
