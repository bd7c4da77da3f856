"""A person who joins by the link of an invitation, which proves the address."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.accounts.services.sign_in_limits import MAX_USERNAME_LENGTH
from portal.accounts.services.sign_in_steps import MAX_PASSWORD_LENGTH
from portal.audit.models import PORTAL_CHAIN
from portal.audit.recording import Object, record_entry
from portal.audit.verbs import Verb
from portal.core.errors import Conflict, FieldError, Invalid


def has_account(email: str) -> bool:
    """Only the reader of a link that was mailed to this address may learn this."""
    return User.objects.filter(email__iexact=email).exists()


def new_account(*, email: str, username: str, password: str) -> User:
    """A person who is not saved yet. Conflict if the address has an account, Invalid with every
    wrong field.

    Hashing the password takes long, so call this before anything is locked.
    """
    if has_account(email):
        raise Conflict(
            "You have an account here already. Sign in, then open the link of the mail again.",
            code="has-account",
        )
    user = User(username=username.strip(), email=email)
    if errors := _errors_of(user, password):
        raise Invalid("Nothing was saved. Correct the fields listed in errors.", errors=errors)
    # With `set_password`, saving would report a changed password.
    user.password = make_password(password)
    return user


def add_account(user: User, *, organization_id: UUID = PORTAL_CHAIN) -> None:
    """Save the person, in the transaction that uses the link. `organization_id`: whose audit says
    so. Invalid if someone else took the name a moment ago.
    """
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:
        raise Invalid("Nothing was saved.", errors=[_name_taken(user.username)]) from None
    record_entry(
        Verb.PERSON_ADDED,
        actor=Actor.person(user),
        organization_id=organization_id,
        about=Object("person", user.pk, user.username),
    )


def _errors_of(user: User, password: str) -> list[FieldError]:
    errors = []
    if not user.username:
        errors.append(FieldError("username", "blank", "Choose a name to sign in with."))
    elif len(user.username) > MAX_USERNAME_LENGTH:
        message = f"At most {MAX_USERNAME_LENGTH} characters are allowed."
        errors.append(FieldError("username", "too-long", message))
    else:
        # First, because PostgreSQL refuses to compare some characters.
        try:
            user.clean_fields(exclude=["password"])
        except ValidationError:
            message = "A name has letters, digits and the characters @ . + - _ only."
            errors.append(FieldError("username", "odd-characters", message))
        else:
            if User.objects.filter(username__iexact=user.username).exists():
                errors.append(_name_taken(user.username))
    try:
        if len(password) > MAX_PASSWORD_LENGTH:
            raise ValidationError(f"At most {MAX_PASSWORD_LENGTH} characters are allowed.")
        validate_password(password, user)
    except ValidationError as error:
        errors.append(FieldError("password", "weak-password", " ".join(error.messages)))
    return errors


def _name_taken(username: str) -> FieldError:
    return FieldError(
        "username", "name-taken", f"The name {username} is taken. Choose another one."
    )
