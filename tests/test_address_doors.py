"""A prefix is parsed once, where it enters the portal, and is typed from there on."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.parsed import parsed

ROOT = Path(__file__).resolve().parent.parent
PARSERS = {"ip_network", "ip_address", "ip_interface"}
CLASSES = {f"IPv{version}{kind}" for version in (4, 6) for kind in ("Network", "Address")}
DOORS = {
    "portal/accounts/networks.py": "the networks that a token works in",
    "portal/checks.py": "the address in a setting",
    "portal/core/json_value.py": "a JSON column",
    "portal/core/targets/addresses.py": "an address or prefix as a person typed it",
    "portal/core/targets/model.py": "the text of a saved resource",
    "portal/core/targets/names.py": "a host as a person typed it",
    "portal/core/targets/reported.py": "a prefix as a provider wrote it",
    "portal/core/targets/uris.py": "the host of a URI",
    "portal/core/throttle.py": "the address of a client",
    "portal/env.py": "an address in a setting",
    "portal/rpki/export.py": "a prefix as a validator wrote it",
    "portal/ownership/chosen_url.py": "the host of a URL as typed, or an address that DNS answered",
    "portal/ownership/evidence.py": "an address that DNS answered",
    "portal/rpki/validity.py": "the route of a resource",
}


def parses(source: str) -> bool:
    """Whether the module calls a parser of addresses, or passes it on."""
    if not any(word in source for word in PARSERS | CLASSES):
        return False
    tree = parsed(source)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    called = {
        node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
    }
    return bool(PARSERS & (names | attributes) or CLASSES & called)


def test_only_doors_parse_addresses() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "portal").rglob("*.py")
        if parses(path.read_text())
    }

    assert found == DOORS.keys()
