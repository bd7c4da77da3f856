"""New organizations, by the portal's staff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.text import slugify

from portal.accounts.actors import Actor
from portal.accounts.staff_rights import StaffRight
from portal.audit.recording import Object, record_entry
from portal.audit.verbs import Verb
from portal.core import throttle
from portal.core.errors import FieldError, Invalid, NotFound
from portal.events.log import lock_log
from portal.mail.addresses import normal_email
from portal.organizations import invitations
from portal.organizations.models import Invitation, Organization, Role

MAY_ADD: Final = StaffRight("add organizations", ("organizations.add_organization",))
MAX_NAME_LENGTH: Final = 200
MAX_SLUG_LENGTH: Final = 50


@dataclass(frozen=True, slots=True)
class Preset:
    """Values of an organization's settings to begin with."""

    name: str
    text: str
    settings: dict[str, Any]


PRESETS: Final[dict[str, Preset]] = {
    "standard": Preset(
        "Standard",
        "1 hour offered, 24 hours at most, also without an end; 100 live requests.",
        {},
    ),
    "careful": Preset(
        "Careful",
        "1 hour offered, 4 hours at most, always with an end; 20 live requests, 5 each.",
        {
            "max_lifetime_s": 4 * 3600,
            "may_be_indefinite": False,
            "max_live_requests": 20,
            "max_live_requests_per_person": 5,
        },
    ),
    "large": Preset(
        "Large network",
        "4 hours offered, 7 days at most, also without an end; 1,000 live requests, 200 each.",
        {
            "default_lifetime_s": 4 * 3600,
            "max_lifetime_s": 7 * 86_400,
            "max_live_requests": 1_000,
            "max_live_requests_per_person": 200,
        },
    ),
}


@transaction.atomic
def found(
    *, actor: Actor, name: str, admin_email: str, preset: str, origin: str
) -> tuple[Organization, Invitation]:
    """A new organization, and the invitation of its first admin."""
    MAY_ADD.require_still(actor.require_person())
    name = " ".join(name.split())
    errors = []
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        message = f"Write a name of 1 to {MAX_NAME_LENGTH} characters."
        errors.append(FieldError("name", "length", message))
    elif Organization.objects.filter(name__iexact=name).exists():
        message = f"There is an organization called {name}. Choose another name."
        errors.append(FieldError("name", "name-exists", message))
    if preset not in PRESETS:
        message = f"Choose one of: {', '.join(PRESETS)}."
        errors.append(FieldError("preset", "not-a-choice", message))
    try:
        normal_email(admin_email)
    except Invalid as error:
        errors += [FieldError("admin_email", one.code, one.message) for one in error.errors]
    if errors:
        raise Invalid("Nothing was saved. Correct the fields listed in errors.", errors=errors)
    organization = Organization(name=name, slug=_free_slug(name), **PRESETS[preset].settings)
    try:
        organization.full_clean()
    except ValidationError as error:
        message = " ".join(error.messages)
        raise Invalid.at("name", "invalid", message) from None
    organization.save()
    record_entry(
        Verb.ORGANIZATION_ADDED,
        actor=actor,
        organization_id=organization.pk,
        about=Object("organization", organization.pk, name),
        after={"name": name, "slug": organization.slug, "preset": preset},
        is_by_staff=True,
    )
    lock_log(organization.pk)
    invitation = invitations.create(
        organization=organization,
        actor=actor,
        email=admin_email,
        role=Role.ADMIN,
        origin=origin,
        is_by_staff=True,
    )
    return organization, invitation


def invite_admin(
    *, organization: Organization, actor: Actor, email: str, origin: str
) -> Invitation:
    """Staff invite an admin: the first one, or one for an organization whose admins have left. An
    open invitation to that address gets a new link.
    """
    email = normal_email(email)
    throttle.count(invitations.MAILS, str(organization.pk))
    with transaction.atomic():
        lock_log(organization.pk)
        MAY_ADD.require_still(actor.require_person())
        open_ones = invitations.unanswered(organization).filter(is_by_staff=True)
        if open_one := open_ones.filter(email=email).first():
            return invitations.renew(open_one, actor=actor, origin=origin)
        return invitations.create(
            organization=organization,
            actor=actor,
            email=email,
            role=Role.ADMIN,
            origin=origin,
            is_by_staff=True,
        )


@transaction.atomic
def revoke(*, organization: Organization, invitation_id: UUID, actor: Actor) -> None:
    """Staff revoke an invitation that staff sent."""
    lock_log(organization.pk)
    MAY_ADD.require_still(actor.require_person())
    invitation = invitations.invitation_for(organization, invitation_id)
    if not invitation.is_by_staff:
        raise NotFound
    invitations.end(invitation, actor=actor)


def _free_slug(name: str) -> str:
    """From the name; with a number if it is taken."""
    base = slugify(name)[: MAX_SLUG_LENGTH - 4].strip("-") or "organization"
    taken = set(Organization.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    numbered = (f"{base}-{number}" for number in range(2, len(taken) + 3))
    return base if base not in taken else next(one for one in numbered if one not in taken)
