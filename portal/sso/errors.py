"""The errors of single sign-on."""

from __future__ import annotations

from typing import ClassVar

from portal.core.errors import PortalError
from portal.sso.refusals import Refused
from portal.sso.wording import sentence


class SignInRefused(PortalError):
    """A single sign-on ended without a session."""

    code = "single-sign-on-refused"
    http_status: ClassVar = 403
    title = "Single sign-on did not work"

    def __init__(self, why: Refused, detail: str = "") -> None:
        super().__init__(sentence(why))
        self.why = why
        self.detail = detail
        "for people who know the protocol"
