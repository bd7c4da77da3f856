from __future__ import annotations

import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("dots_*/*.md"), *(ROOT / "docs").rglob("*.md")]
README = (ROOT / "README.md").read_text()
CONTRIBUTING_LINES_MAX = 80


@cache
def tracked() -> tuple[str, ...]:
    command = ["git", "ls-files"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(path for path in listed.splitlines() if (ROOT / path).exists())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_document_resolves(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]*)#?([^)]*)\)", document.read_text())

    missing = []
    for target, section in links:
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        place = document.parent / target if target else document
        if not place.exists() or (section and section not in sections(place)):
            missing.append((target, section))

    assert missing == []


def sections(document: Path) -> set[str]:
    """The anchors of the headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "document",
    [document for document in DOCUMENTS if document.name != "CHANGELOG.md"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    """By the whole path, or by its end."""
    named = re.findall(r"`([\w/-]+\.(?:py|html|js|css|csv|toml))`", document.read_text())

    assert [
        end for end in named if not any(f"/{path}".endswith(f"/{end}") for path in tracked())
    ] == []


def test_the_reading_for_contributors_is_short() -> None:
    lines = (ROOT / "CONTRIBUTING.md").read_text().splitlines()

    assert len(lines) <= CONTRIBUTING_LINES_MAX


def test_the_tree_of_the_readme_is_the_tree() -> None:
    table = README.partition("## The tree")[2].partition("\n\nTo run it")[0]
    rows = re.findall(r"^\| (.*?) \| (.*) \|$", table, re.MULTILINE)
    folders = {folder for first, _ in rows for folder in re.findall(r"`(\w+)/`", first)}
    [portal] = [second for first, second in rows if first == "`portal/`"]

    tops = {path.split("/")[0] for path in tracked() if "/" in path}
    apps = {path.split("/")[1] for path in tracked() if re.match(r"portal/\w+/\w", path)}

    assert folders == {top for top in tops if not top.startswith(".")}
    assert set(re.findall(r"`(\w+)`", portal)) == apps


def test_the_index_leads_to_every_document() -> None:
    index = (ROOT / "docs/index.md").read_text()
    linked = set(re.findall(r"\]\(([^)#]+)", index))

    documents = {path.name for path in (ROOT / "docs").iterdir() if path.suffix in (".md", ".yaml")}

    assert documents - linked == {"index.md"}


def test_the_list_of_decisions_has_every_one_with_the_title_that_its_file_is_named_after() -> None:
    folder = ROOT / "docs/adr"
    listed = re.findall(r"^- \[(\d+): (.+)\]\((.+)\)$", (folder / "README.md").read_text(), re.M)

    found = []
    for path in folder.glob("0*.md"):
        number, title = re.findall(r"\A# (\d+)\. (.+)", path.read_text())[0]
        slug = "-".join(re.findall(r"[a-z0-9]+", title.lower()))
        found.append((number, title, f"{int(number):04}-{slug}.md"))
        assert path.name == found[-1][-1]

    assert sorted(listed) == sorted(found)


def test_the_claimed_python_version_is_the_running_one() -> None:
    [image] = re.findall(r"^FROM python:(\d\.\d+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)

    for project in (
        "pyproject.toml",
        "clients/python/pyproject.toml",
        "dots_client/pyproject.toml",
    ):
        claims = tomllib.loads((ROOT / project).read_text())["project"]
        named = [one for one in claims["classifiers"] if one.startswith("Programming Language")]
        assert named == [f"Programming Language :: Python :: {image}"]
        assert claims["requires-python"] == f">={image}"


def test_the_newest_release_of_the_changelog_is_the_version() -> None:
    titles = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert titles[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(version)} – \d{{4}}-\d\d-\d\d", titles[1])
