"""A new password, in place of one that is known or that was forgotten."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from portal.accounts.models import LinkPurpose, User
from portal.accounts.services.end_access import lock_person, lock_unchanged
from portal.accounts.services.mailed_links import link_of, use_link
from portal.accounts.services.sign_in_steps import MAX_PASSWORD_LENGTH, check_password
from portal.core.errors import Invalid, InvalidCredentials

WRONG_PASSWORD = "This is not your password."  # noqa: S105 - no password


def change_password(
    *, user: User, current: str, new: str, address: str, device_secret: str = ""
) -> User:
    """Every session, known device and API token of the person ends; the caller keeps its own
    session. Raises Invalid for either field, or Throttled.

    portal.accounts.passwords ends the access, and records and mails the change.
    """
    try:
        person = check_password(
            username=user.username, password=current, address=address, device_secret=device_secret
        )
    except InvalidCredentials:
        raise Invalid.at("current_password", "wrong-password", WRONG_PASSWORD) from None
    if current == new:
        raise Invalid.at("new_password", "same-password", "This is your password already.")
    _require_strong(new, person)
    # Hashing takes long, so it is done before the lock.
    changed = User.objects.get(pk=person.pk)
    changed.set_password(new)
    changed.password_is_own = True
    with transaction.atomic():
        lock_unchanged(person)
        changed.save(update_fields=["password"])
    return changed


def choose_password(*, token: str, new: str, address: str) -> User:
    """The person who reads the mail chooses a new password. To sign in, it takes the second factor
    too. Raises Invalid, LinkEnded or Throttled.
    """
    link = link_of(token, LinkPurpose.PASSWORD, address=address)
    _require_strong(new, link.user)
    link.user.set_password(new)
    link.user.password_is_own = True
    with transaction.atomic():
        lock_person(link.user)
        use_link(link)
        link.user.save(update_fields=["password"])
    return link.user


def _require_strong(password: str, user: User) -> None:
    try:
        if len(password) > MAX_PASSWORD_LENGTH:
            raise ValidationError(f"At most {MAX_PASSWORD_LENGTH} characters are allowed.")
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid.at("new_password", "weak-password", " ".join(error.messages)) from None
