"""Shared by the tests of the client: a trusted authority and an untrusted one."""

from __future__ import annotations

import pytest

from tests.dots_client.authority import Authority


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def rogue() -> Authority:
    return Authority("Rogue authority")
