"""The tab "Password"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from portal.accounts.models import User
from portal.web.me.navigation import MePage


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChangePage(MePage):
    """The form. Typed passwords are never shown again."""

    template: ClassVar = "me/password.html"
    tab: ClassVar = "password"

    must_choose: bool
    "someone else set the password that the person signed in with"
    errors: Mapping[str, str] = field(default_factory=dict)


def password_page(
    person: User, errors: Mapping[str, str] | None = None, *, must_choose: bool = False
) -> PasswordChangePage:
    return PasswordChangePage(person=person, must_choose=must_choose, errors=errors or {})
