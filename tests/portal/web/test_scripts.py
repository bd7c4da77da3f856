"""What the scripts of the pages may not do: read from the files, without a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[3] / "static" / "js").glob("*.js"))
FORBIDDEN = (
    r"\beval\(",
    r"new Function\b",
    r"setTimeout\(\s*[\"'`]",
    r"document\.write",
    r"\.outerHTML\s*=",
    r"postMessage",
    r"document\.cookie",
    r"sessionStorage",
    r"indexedDB",
    r"javascript:",
)
HTML = re.compile(r"(?:\.innerHTML\s*=(?!=)|insertAdjacentHTML\(\"beforeend\",)\s*(.*)")
PUT_IN = re.compile(r"\$\{([^}]*)\}")
OURS = {
    # A shape or a time that the script makes, and sentences of the script.
    'icon("ring")',
    'icon(isLive ? "dot" : "ring")',
    "time(heardAt)",
    "time(lostAt())",
    "what",
    "when",
    "word",
}


def test_there_are_scripts() -> None:
    assert {"live.js", "forms.js", "parts.js"} <= {path.name for path in SCRIPTS}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.name))
def test_a_script_runs_no_text_reads_no_cookie_and_listens_to_no_other_window(path: Path) -> None:
    text = path.read_text()

    assert [pattern for pattern in FORBIDDEN if re.search(pattern, text)] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.name))
def test_html_of_a_script_holds_only_its_own_words(path: Path) -> None:
    for written in HTML.findall(path.read_text()):
        # `asServed` is what the server wrote in that place.
        assert written[0] in "\"'`" or written == "asServed;", written
        assert set(PUT_IN.findall(written)) <= OURS, written


def test_the_browser_keeps_one_preference_and_no_data() -> None:
    kept = {
        (path.name, said)
        for path in SCRIPTS
        for said in re.findall(r"localStorage\.\w+\([^)]*\)", path.read_text())
    }

    assert kept == {
        ("keys.js", "localStorage.getItem(STORED)"),
        ("keys.js", 'localStorage.setItem(STORED, isOn.checked ? "on" : "off")'),
    }


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.name))
def test_received_names_become_no_properties(path: Path) -> None:
    """So that no message can change the prototype of objects."""
    text = path.read_text()

    assert not re.search(r"__proto__|\.prototype\b|Object\.assign\(", text)
    assert not re.search(r"for \((?:const|let|var) \w+ in ", text)
