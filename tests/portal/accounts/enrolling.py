"""Setting up a second factor as a person does."""

from __future__ import annotations

from base64 import b32decode

from portal.accounts import services
from portal.accounts.models import (
    Authenticator,
    User,
)
from tests.factories import app_code


def enrolled_codes(user: User) -> tuple[str, ...]:
    enrolment = services.begin_enrolment(user=user)
    assert enrolment.base32_key
    device = Authenticator.objects.get(user=user)
    _, codes = services.confirm_enrolment(user=user, code=code_of(device))
    return codes


def code_of(device: Authenticator, *, steps: int = 0) -> str:
    return app_code(b32decode(device.base32_key), steps=steps)
