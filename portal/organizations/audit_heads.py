"""Publish the head of each organization's audit chain, so that a chain that is rewritten later
differs from what others already have (ADR 64).
"""

from __future__ import annotations

import logging
from smtplib import SMTPException

from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.validators import validate_email
from django.db import transaction

from portal.accounts.actors import Actor
from portal.audit.models import PORTAL_CHAIN, Chain
from portal.audit.recording import Object, record_entry
from portal.audit.verbs import Verb
from portal.core.errors import Invalid
from portal.core.security_log import SecurityEvent, record
from portal.organizations.access import require_current_role
from portal.organizations.models import Organization, Role

logger = logging.getLogger(__name__)

MAX_ADDRESS_LENGTH = 254


@transaction.atomic
def set_mail(organization: Organization, address: str, *, actor: Actor) -> None:
    """Who gets the head each day; empty: no one. Invalid if it is no e-mail address."""
    address = address.strip()
    if address:
        try:
            validate_email(address[: MAX_ADDRESS_LENGTH + 1])
        except ValidationError:
            address = "\0"
        if len(address) > MAX_ADDRESS_LENGTH or "\0" in address:
            message = "This is no e-mail address."
            raise Invalid.at("mail_to", "not-an-address", message)
    require_current_role(organization.pk, actor, Role.ADMIN)
    Chain.objects.get_or_create(organization_id=organization.pk)
    chain = Chain.objects.select_for_update().get(organization_id=organization.pk)
    if chain.mail_to == address:
        return
    record_entry(
        Verb.MAIL_CHANGED,
        actor=actor,
        organization_id=organization.pk,
        about=Object("chain", organization.pk),
        before={"mail_to": chain.mail_to},
        after={"mail_to": address},
    )
    chain.mail_to = address
    chain.save(update_fields=["mail_to"])


def record_export(organization: Organization, actor: Actor, wanted: str) -> None:
    """`wanted`: the filter, as a query string."""
    record_entry(
        Verb.EXPORTED,
        actor=actor,
        organization_id=organization.pk,
        about=Object("chain", organization.pk),
        after={"filter": wanted},
    )


def publish_heads() -> None:
    """Write one line for each chain into the security log, and mail it to those who want it."""
    slugs = dict(Organization.objects.values_list("pk", "slug"))
    for chain in Chain.objects.filter(seq__gt=0).order_by("pk"):
        slug = "" if chain.pk == PORTAL_CHAIN else slugs.get(chain.pk, str(chain.pk))
        record(SecurityEvent.AUDIT_HEAD, organization=slug, seq=str(chain.seq), hash=chain.hash)
        if chain.mail_to:
            _mail(chain, slug)


def _mail(chain: Chain, slug: str) -> None:
    try:
        send_mail(
            f"Audit of {slug}: entry {chain.seq}",
            f"The audit of {slug} has {chain.seq} sealed entries. The hash of the newest one is\n\n"
            f"{chain.hash}\n\n"
            "Keep this message. If an entry up to this one is changed later, the chain no longer "
            "has this hash.\n",
            None,
            [chain.mail_to],
        )
    except (OSError, SMTPException):
        logger.exception("the head of the audit of %s was not mailed", slug)
