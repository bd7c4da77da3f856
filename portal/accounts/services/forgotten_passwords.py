"""Mail a link to a person who forgot the password.

The page only saves what was typed, which takes the same time for every name; the worker looks for
the person afterwards.
"""

from __future__ import annotations

import logging
from typing import Final

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from portal.accounts import account_mails
from portal.accounts.actors import Actor
from portal.accounts.audited import record_about
from portal.accounts.models import ForgottenPassword, LinkPurpose, User
from portal.accounts.services.end_access import lock_person
from portal.accounts.services.mailed_links import make_link
from portal.accounts.services.tell import tell
from portal.accounts.time_zones import time_zone_of
from portal.audit.verbs import Verb
from portal.core import throttle
from portal.core.errors import Throttled, Unavailable
from portal.mail.addresses import MAX_EMAIL_LENGTH
from portal.mail.services import MailNotConfigured, can_send

logger = logging.getLogger(__name__)

PER_NETWORK: Final = throttle.Limit(
    name="forgotten-network", tries=10, window_s=3600, message="Too many tries from this address."
)
PER_NAME: Final = throttle.Limit(
    name="forgotten-name", tries=3, window_s=3600, message="Too many mails for this name."
)
PER_PERSON: Final = throttle.Limit(
    name="forgotten-person", tries=3, window_s=3600, message="Too many mails to this person."
)
"""Name and address are two names of one person."""
MAX_WAITING: Final = 1000
"""Rows that wait for the worker, of the whole portal."""
MAX_AT_ONCE: Final = 20
MAX_PEOPLE: Final = 5
"""People with the same address who get a link each."""


def ask_for_password(*, typed: str, address: str, origin: str) -> None:
    """Remember that someone forgot the password of the name or address `typed`. The same for each.

    Raises Throttled, or Unavailable if the portal sends no mail or too many wait.
    """
    if not can_send():
        raise MailNotConfigured
    typed = typed.strip()[:MAX_EMAIL_LENGTH]
    throttle.count(PER_NETWORK, throttle.subject_of(address))
    throttle.count(PER_NAME, typed.casefold())
    if ForgottenPassword.objects.count() >= MAX_WAITING:
        raise Unavailable("Too many people ask for this now. Try again later.", retry_after_s=60)
    ForgottenPassword.objects.create(
        # Such text finds no one, and PostgreSQL cannot save all of it.
        typed=typed if typed.isprintable() else "",
        address=address,
        origin=origin,
        asked_at=timezone.now(),
    )


def mail_links() -> int:
    """Mail the links that people asked for. Returns how many."""
    with transaction.atomic():
        skip = connection.features.has_select_for_update_skip_locked
        waiting = list(
            ForgottenPassword.objects.select_for_update(skip_locked=skip).order_by("asked_at")[
                :MAX_AT_ONCE
            ]
        )
        ForgottenPassword.objects.filter(pk__in=[one.pk for one in waiting]).delete()
        return sum(_mail(person, one) for one in waiting for person in _people(one.typed))


def _people(typed: str) -> list[User]:
    if not typed:
        return []
    own = User.objects.filter(Q(username=typed) | Q(email__iexact=typed), is_active=True)
    found = own.exclude(email="").order_by("date_joined")[:MAX_PEOPLE]
    # People without a password sign in another way, or were kept from signing in.
    return [one for one in found if one.has_usable_password()]


def _mail(user: User, asked: ForgottenPassword) -> bool:
    try:
        throttle.count(PER_PERSON, str(user.pk))
    except Throttled:
        logger.warning("%s has asked for too many links, so this one was not mailed", user.username)
        return False
    person = lock_person(user)
    token, ends = make_link(user=person, purpose=LinkPurpose.PASSWORD, email=person.email)
    link = f"{asked.origin}/new-password/{token}"
    with time_zone_of(person):
        mail = account_mails.password_link(username=person.username, link=link, ends=ends)
    tell(person, mail)
    record_about(Verb.PASSWORD_LINK_SENT, person, actor=Actor.portal(), address=asked.address)
    return True
