"""The pages of a person who forgot the password."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from portal.web.rendering import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgotPasswordPage(Page):
    """The form, or the same sentence for everyone who sent it."""

    template: ClassVar = "accounts/forgot_password.html"

    typed: str = ""
    error: str = ""
    is_sent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPasswordPage(Page):
    """The form that a mailed link opens."""

    template: ClassVar = "accounts/new_password.html"

    username: str
    action: str
    errors: Mapping[str, str] = field(default_factory=dict)
