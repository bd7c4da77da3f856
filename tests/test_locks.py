"""requirements.txt and requirements-dev.txt: exact versions with hashes, from the .in files, for
every machine.
"""

from __future__ import annotations

import pytest

from tests.locks import ROOT, locked, wanted

LOCKS = ["requirements", "requirements-dev"]


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_of_an_in_file_is_locked_at_a_version_it_allows(name: str) -> None:
    pins = locked(ROOT / f"{name}.txt")

    for package, requirement in wanted(ROOT / f"{name}.in").items():
        assert requirement.specifier.contains(pins[package].version), package


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_hashes(name: str) -> None:
    assert [key for key, one in locked(ROOT / f"{name}.txt").items() if not one.hashes] == []


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_index(name: str) -> None:
    text = (ROOT / f"{name}.txt").read_text()

    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


def test_the_tests_run_on_the_versions_that_run() -> None:
    tools = locked(ROOT / "requirements-dev.txt")

    for package, pin in locked(ROOT / "requirements.txt").items():
        # A tool may need on every Python what the portal needs on some.
        assert (tools[package].version, tools[package].hashes) == (pin.version, pin.hashes)
