"""A suspended organization asks for nothing new: no requests, plans, drills or extensions.

Its people sign in and read as before. What providers do for it continues, and everything that ends
protection works.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.accounts.staff_rights import StaffRight
from portal.core.errors import Conflict, NotFound
from portal.core.typed_lines import checked_reason
from portal.events.data import EventData
from portal.events.log import lock_log
from portal.events.models import EventType
from portal.organizations import people_mails
from portal.organizations.admin_mails import mail_admins
from portal.organizations.models import Organization
from portal.organizations.recording import record_change

MAY_CHANGE: Final = StaffRight("change organizations", ("organizations.change_organization",))
SUSPENSION: Final = ("suspended_at", "suspension_reason")


class OrganizationSuspended(Conflict):
    """Nothing new is asked for this organization."""

    code = "organization-suspended"
    title = "The organization is suspended"

    def __init__(self, organization: Organization) -> None:
        self.sentence = suspended_sentence(organization)
        super().__init__(f"Nothing was sent. {self.sentence}")


def suspended_sentence(organization: Organization) -> str:
    """What its people read on every page, and if they ask for something new."""
    return (
        f"{organization.name} is suspended and can send no new requests, plans, drills or "
        "extensions. Live requests continue, and you can terminate them. Reason: "
        f"{organization.suspension_reason}"
    )


def refuse_if_suspended(organization_id: UUID) -> None:
    """OrganizationSuspended, for everything that asks for new protection. Decides under the lock of
    the organization's log (`require_current_role` takes it), as `suspend` does.
    """
    suspended = Organization.objects.filter(pk=organization_id, suspended_at__isnull=False).first()
    if suspended is not None:
        raise OrganizationSuspended(suspended)


def locked_for_staff(slug: str, person: User) -> Organization:
    """The organization, after everything that began before, if the person may still change it.
    NotFound for an unknown one.

    A submission that runs now commits before this, or sees the change.
    """
    organization = Organization.objects.select_for_update(no_key=True).filter(slug=slug).first()
    if organization is None:
        raise NotFound
    lock_log(organization.pk)
    MAY_CHANGE.require_still(person)
    return organization


@transaction.atomic
def suspend(*, slug: str, actor: Actor, reason: str) -> Organization:
    """Staff suspend an organization, and its admins get a mail. Conflict if it is suspended."""
    reason = checked_reason(reason)
    organization = locked_for_staff(slug, actor.require_person())
    if organization.suspended_at is not None:
        raise Conflict(f"{organization.name} is suspended already.", code="suspended-already")
    organization.suspended_at, organization.suspension_reason = timezone.now(), reason
    organization.save(update_fields=SUSPENSION)
    about = EventData(reason=reason)
    record_change(organization.pk, EventType.ORGANIZATION_SUSPENDED, actor=actor, data=about)
    mail_admins(
        organization,
        lambda: people_mails.suspended(organization=organization.name, reason=reason),
    )
    return organization


@transaction.atomic
def lift(*, slug: str, actor: Actor) -> Organization:
    """Staff lift it again, and the admins get a mail. Conflict if it is not suspended."""
    organization = locked_for_staff(slug, actor.require_person())
    if organization.suspended_at is None:
        raise Conflict(f"{organization.name} is not suspended.", code="not-suspended")
    organization.suspended_at, organization.suspension_reason = None, ""
    organization.save(update_fields=SUSPENSION)
    record_change(organization.pk, EventType.ORGANIZATION_RESUMED, actor=actor, data={})
    mail_admins(organization, lambda: people_mails.resumed(organization=organization.name))
    return organization
