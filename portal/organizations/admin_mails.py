"""Mail to the admins of an organization about what the portal's staff do."""

from __future__ import annotations

import logging
from collections.abc import Callable

from portal.accounts.time_zones import time_zone_of
from portal.mail.services import MailNotConfigured, queue_mail
from portal.organizations import members
from portal.organizations.models import Organization
from portal.organizations.people_mails import PeopleMail

logger = logging.getLogger(__name__)


def mail_admins(organization: Organization, write: Callable[[], PeopleMail]) -> None:
    """In the transaction of the act, which their log shows too: a portal that cannot send mail
    still does it. `write` is called for each of them, in that person's time zone.
    """
    for admin in members.admins(organization):
        # Staff may have added the person without an address.
        if not admin.user.email:
            continue
        with time_zone_of(admin.user):
            mail = write()
        try:
            queue_mail(to=admin.user.email, subject=mail.subject, body=mail.body)
        except MailNotConfigured:
            logger.warning("the admins of %s got no mail: %s", organization.slug, mail.subject)
            return
