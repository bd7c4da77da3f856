"""Email addresses as people type them."""

from __future__ import annotations

from typing import Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from portal.core.errors import Invalid

MAX_EMAIL_LENGTH: Final = 254


def normal_email(typed: str) -> str:
    """In lower case, as the portal compares addresses. Invalid if it is no address."""
    email = typed.strip().lower()
    try:
        if len(email) > MAX_EMAIL_LENGTH:
            raise ValidationError("too long")
        validate_email(email)
    except ValidationError:
        message = "This is not an email address. Write it like name@example.com."
        raise Invalid.at("email", "not-an-address", message) from None
    return email
