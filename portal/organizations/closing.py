"""What staff change of an organization in ordinary work: its name, and whether its people may use
it. A closed organization is closed to its members; what providers do for it continues.
"""

from __future__ import annotations

from django.db import transaction

from portal.accounts.actors import Actor
from portal.core.errors import Conflict, Invalid
from portal.core.typed_lines import checked_reason
from portal.organizations import people_mails
from portal.organizations.admin_mails import mail_admins
from portal.organizations.founding import MAX_NAME_LENGTH
from portal.organizations.models import Organization
from portal.organizations.services import change_settings
from portal.organizations.suspension import locked_for_staff


@transaction.atomic
def rename(*, slug: str, actor: Actor, name: str) -> Organization:
    """Its address in links stays. Invalid for a name that is empty, too long or taken."""
    organization = locked_for_staff(slug, actor.require_person())
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise _wrong("length", f"Write a name of 1 to {MAX_NAME_LENGTH} characters.")
    others = Organization.objects.filter(name__iexact=name).exclude(pk=organization.pk)
    if others.exists():
        raise _wrong("name-exists", f"There is an organization called {name}. Choose another name.")
    organization.name = name
    change_settings(organization=organization, actor=actor)
    return organization


@transaction.atomic
def close(*, slug: str, actor: Actor, reason: str) -> Organization:
    """Its members cannot use it from now on; its admins get a mail with the reason, which is kept
    nowhere else. Conflict if it is closed.
    """
    reason = checked_reason(reason)
    organization = locked_for_staff(slug, actor.require_person())
    if not organization.is_active:
        raise Conflict(f"{organization.name} is closed already.", code="closed-already")
    organization.is_active = False
    change_settings(organization=organization, actor=actor)
    mail_admins(
        organization, lambda: people_mails.closed(organization=organization.name, reason=reason)
    )
    return organization


@transaction.atomic
def open_again(*, slug: str, actor: Actor) -> Organization:
    """Conflict if it is not closed."""
    organization = locked_for_staff(slug, actor.require_person())
    if organization.is_active:
        raise Conflict(f"{organization.name} is not closed.", code="not-closed")
    organization.is_active = True
    change_settings(organization=organization, actor=actor)
    mail_admins(organization, lambda: people_mails.opened(organization=organization.name))
    return organization


def _wrong(code: str, message: str) -> Invalid:
    return Invalid.at("name", code, message)
