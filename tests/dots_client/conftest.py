"""What the tests of the client share: an authority they trust, and one they do not."""

from __future__ import annotations

import pytest

from tests.dots_client.authority import Authority


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def rogue() -> Authority:
    return Authority("Rogue authority")
