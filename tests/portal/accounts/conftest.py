from __future__ import annotations

import pytest

from portal.accounts.models import User
from tests.factories import UserFactory


@pytest.fixture
def erin(db: None) -> User:
    """A person with a password and no second factor yet."""
    return UserFactory.create(username="erin")
