"""How many live requests an organization may have: only the portal's staff change that."""

from __future__ import annotations

from typing import Final

from django.db import transaction

from portal.accounts.actors import Actor
from portal.core.errors import Invalid
from portal.core.typed_lines import MAX_REASON_LENGTH, one_line
from portal.organizations import people_mails
from portal.organizations.admin_mails import mail_admins
from portal.organizations.models import MAX_LIVE_REQUESTS, Organization
from portal.organizations.services import change_settings
from portal.organizations.suspension import locked_for_staff

MIN_LIMIT: Final = 1
MAX_LIMIT: Final = MAX_LIVE_REQUESTS


@transaction.atomic
def change_limit(*, slug: str, actor: Actor, limit: int, reason: str = "") -> Organization:
    """A lower limit ends nothing that is live. The admins get a mail, with the reason if there is
    one. The limit that it has already changes nothing. Invalid for one that is out of range.
    """
    reason = one_line(reason)
    if not MIN_LIMIT <= limit <= MAX_LIMIT:
        message = f"{limit:,} is not possible: {MIN_LIMIT:,} to {MAX_LIMIT:,}."
        raise Invalid.at("max_live_requests", "out-of-range", message)
    if len(reason) > MAX_REASON_LENGTH or not reason.isprintable():
        message = f"Say why in at most {MAX_REASON_LENGTH} characters."
        raise Invalid.at("reason", "length", message)
    organization = locked_for_staff(slug, actor.require_person())
    before, organization.max_live_requests = organization.max_live_requests, limit
    if before == limit:
        return organization
    change_settings(organization=organization, actor=actor, reason=reason)
    mail_admins(
        organization,
        lambda: people_mails.limit_changed(
            organization=organization.name, before=before, after=limit, reason=reason
        ),
    )
    return organization
