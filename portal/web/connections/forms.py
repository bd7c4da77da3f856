"""What a person uploads: files or pasted text. Keys and passwords are never sent back to the
page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.http import HttpRequest

from portal.accounts import services as accounts
from portal.connections.uploads import MAX_FILE_BYTES
from portal.core.errors import FreshFactorRequired, Invalid, PortalError
from portal.web.accounts.step_up import CODE, require_fresh_factor


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadForm:
    """Which of the forms was sent, and what was wrong with it."""

    sent: str = ""
    "certificate, files or pkcs12; empty: none"
    errors: Mapping[str, str] = field(default_factory=dict)
    "by field"

    @classmethod
    def refused(cls, sent: str, error: PortalError) -> UploadForm:
        errors = {one.field: one.message for one in reversed(error.errors)}
        return cls(sent=sent, errors=errors or {"form": error.message})

    @property
    def file_error(self) -> str:
        """What is wrong with a PKCS#12 file, or with what was in it."""
        found = (self.errors.get(name) for name in ("pkcs12", "certificate_chain", "private_key"))
        return next((one for one in found if one), "")


def uploaded(request: HttpRequest, name: str) -> bytes:
    """The file of this name, or the text that was pasted instead; at most one byte more than is
    read.
    """
    sent = request.FILES.get(f"{name}_file")
    if sent is not None and sent.size:
        data: bytes = sent.read(MAX_FILE_BYTES + 1)
        return data
    return request.POST.get(name, "").encode(errors="replace")


def require_fresh_factor_here(request: HttpRequest) -> None:
    """Invalid at the field for a code, as the files cannot be sent again from another page."""
    try:
        require_fresh_factor(request)
    except FreshFactorRequired as error:
        message = error.message if request.POST.get(CODE) else "Enter a code, and the files again."
        raise Invalid.at(CODE, error.code, message) from error


def needs_code(request: HttpRequest) -> bool:
    """Whether the form has to ask for a code."""
    try:
        accounts.require_fresh_factor(request.session)
    except FreshFactorRequired:
        return True
    return False
