from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
CONTRIBUTING_LINES_MAX = 80


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_links_to_exists(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text())

    missing = [
        target
        for target in targets
        if not target.startswith(("http://", "https://", "mailto:"))
        and not (document.parent / target).exists()
    ]

    assert missing == []


def test_what_a_contributor_must_read_is_short() -> None:
    lines = (ROOT / "CONTRIBUTING.md").read_text().splitlines()

    assert len(lines) <= CONTRIBUTING_LINES_MAX


def test_every_module_that_the_glossary_of_signalling_names_exists() -> None:
    glossary = (ROOT / "docs/architecture.md").read_text().partition("### Signalling")[2]
    table = glossary.partition("\n\nWho is asked")[0]
    modules = re.findall(r"`([\w/]+\.py)`", table)

    assert len(modules) > 20
    missing = [
        module
        for module in modules
        if not any((ROOT / folder / module).exists() for folder in ("", "portal/signaling"))
    ]
    assert missing == []
