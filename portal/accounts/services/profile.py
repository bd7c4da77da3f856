"""What a person is called, and in which time zone the person reads times."""

from __future__ import annotations

from django.db import transaction

from portal.accounts.actors import Actor
from portal.accounts.audited import record_about
from portal.accounts.models import MAX_DISPLAY_NAME_LENGTH, User
from portal.accounts.services.end_access import lock_person
from portal.accounts.time_zones import zone_names
from portal.audit.verbs import Verb
from portal.core.errors import FieldError, Invalid


@transaction.atomic
def change_profile(
    *, user: User, display_name: str | None = None, time_zone: str | None = None
) -> User:
    """Change what is given; None leaves a field as it is. `time_zone`: as in IANA's list, or empty.
    Raises Invalid with an error at each wrong field.
    """
    wanted = _checked(display_name, time_zone)
    person = lock_person(user)
    before = {name: getattr(person, name) for name in wanted}
    changed = {name: one for name, one in wanted.items() if before[name] != one}
    if changed:
        User.objects.filter(pk=person.pk).update(**changed)
        record_about(
            Verb.PROFILE_CHANGED,
            person,
            actor=Actor.person(person),
            before={name: before[name] for name in changed},
            after=changed,
        )
    for name, one in wanted.items():
        setattr(user, name, one)
    return user


def _checked(display_name: str | None, time_zone: str | None) -> dict[str, str]:
    wanted: dict[str, str] = {}
    errors: list[FieldError] = []
    for field, typed, read in (
        ("display_name", display_name, _display_name),
        ("time_zone", time_zone, _time_zone),
    ):
        try:
            if typed is not None:
                wanted[field] = read(typed)
        except Invalid as error:
            errors.extend(error.errors)
    if errors:
        raise Invalid(errors[0].message, errors=errors)
    return wanted


def _time_zone(name: str) -> str:
    if name and name not in zone_names():
        message = "Choose a time zone from the list, such as Europe/Prague."
        raise Invalid.at("time_zone", "unknown-zone", message)
    return name


def _display_name(typed: str) -> str:
    name = " ".join(typed.split())
    if len(name) > MAX_DISPLAY_NAME_LENGTH:
        message = f"At most {MAX_DISPLAY_NAME_LENGTH} characters are allowed."
        raise Invalid.at("display_name", "too-long", message)
    if not name.isprintable():
        message = "This contains characters that are not allowed. Type it again."
        raise Invalid.at("display_name", "odd-characters", message)
    return name
