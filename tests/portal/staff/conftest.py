from __future__ import annotations

from collections.abc import Callable

import pytest

from portal.accounts.models import User
from portal.staff.models import StaffRole
from portal.staff.people import give_role
from tests.factories import AuthenticatorFactory, UserFactory

Colleague = Callable[..., User]


@pytest.fixture
def colleague(db: None) -> Colleague:
    """A member of the staff in this role."""

    def colleague(name: str, role: StaffRole = StaffRole.MANAGER) -> User:
        user = UserFactory.create(username=name, email=f"{name}@portal.example")
        AuthenticatorFactory.create(user=user)
        give_role(user, role)
        return user

    return colleague


@pytest.fixture(autouse=True)
def _address_of_mo(mo: User) -> None:
    mo.email = "mo@portal.example"
    mo.save(update_fields=["email"])
