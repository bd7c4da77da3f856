"""The pages of signing in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final
from urllib.parse import quote

import segno
from django.conf import settings
from django.utils.safestring import SafeString, mark_safe

from portal.accounts.models import User
from portal.accounts.services import Enrolment
from portal.core.errors import InvalidCredentials, PortalError, SecretUnreadable
from portal.web.rendering import Page

QR_MODULE_PX: Final = 5
WRONG_CODE: Final = "That code did not match. Wait for the next one and type it here."
WRONG_PASSKEY: Final = "That passkey did not match. Try again, or sign in with your password."
WRONG_RECOVERY_CODE: Final = "That recovery code did not match or was already used."


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInStep(Page):
    """One step; all lead to the same page."""

    following: str
    "path of the page to open afterwards"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPage(SignInStep):
    """Name and password."""

    template: ClassVar = "accounts/sign_in.html"

    said: str
    "the sentence about a form that arrived without a session"
    username: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodePage(SignInStep):
    """The code from the app, or a recovery code."""

    template: ClassVar = "accounts/code.html"

    username: str
    has_app: bool
    "without an app, a passkey or a recovery code is asked for"
    app_error: str = ""
    recovery_error: str = ""
    has_focus: bool = True
    "the field for the app's code"
    opens_recovery: bool = False
    passkey: str = ""
    "the options for the browser, as JSON; empty if the person has no passkey"
    passkey_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyPage(SignInStep):
    """Signing in with a passkey alone."""

    template: ClassVar = "accounts/passkey.html"

    options: str
    "for the browser, as JSON"
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentPage(SignInStep):
    """Setting up the second factor."""

    template: ClassVar = "accounts/enrol.html"

    username: str
    qr: SafeString
    key: str
    "in groups of four, to type"
    error: str = ""
    passkey: str = ""
    "the options for the browser, as JSON"
    passkey_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodesPage(SignInStep):
    """The only page that shows the recovery codes."""

    template: ClassVar = "accounts/recovery_codes.html"

    username: str
    codes: tuple[str, ...]
    download: str
    "a data URL with the codes as text"


def enrolment_page(enrolment: Enrolment, following: str, *, error: str = "") -> EnrolmentPage:
    qr = segno.make(enrolment.otpauth_uri, error="m")
    svg = qr.svg_inline(scale=QR_MODULE_PX, border=0, title="QR code of the key below")
    key = enrolment.base32_key
    return EnrolmentPage(
        following=following,
        username=enrolment.username,
        # segno only draws rectangles from what we give it.
        qr=mark_safe(svg),  # noqa: S308  see above
        key=" ".join(key[start : start + 4] for start in range(0, len(key), 4)),
        error=error,
    )


def with_code_error(page: CodePage, error: PortalError, *, is_recovery: bool) -> CodePage:
    is_wrong = isinstance(error, InvalidCredentials)
    if is_recovery:
        words = WRONG_RECOVERY_CODE if is_wrong else error.message
        return replace(page, recovery_error=words, opens_recovery=True, has_focus=False)
    # Recovery codes work even if the portal cannot check the app's.
    needs_recovery = isinstance(error, SecretUnreadable)
    return replace(
        page,
        app_error=WRONG_CODE if is_wrong else error.message,
        opens_recovery=needs_recovery,
        has_focus=not needs_recovery,
    )


def recovery_codes_page(user: User, codes: tuple[str, ...], following: str) -> RecoveryCodesPage:
    head = f"{settings.PORTAL_NAME}: recovery codes of {user.get_username()}"
    text = "\n".join([head, "Each code works once.", "", *codes, ""])
    return RecoveryCodesPage(
        following=following,
        username=user.get_username(),
        codes=codes,
        download=f"data:text/plain;charset=utf-8,{quote(text)}",
    )
