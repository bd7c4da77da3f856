"""Another address: the mail to it confirms it, and a mail to the present one reports it."""

from __future__ import annotations

from typing import Final

from django.db import transaction

from portal.accounts import account_mails
from portal.accounts.actors import Actor
from portal.accounts.audited import record_about
from portal.accounts.models import LinkPurpose, MailedLink, User
from portal.accounts.services.end_access import lock_person
from portal.accounts.services.mailed_links import LinkEnded, link_of, make_link, use_link
from portal.accounts.services.tell import tell
from portal.accounts.time_zones import time_zone_of
from portal.audit.verbs import Verb
from portal.core import throttle
from portal.core.errors import Conflict, Invalid
from portal.mail.addresses import normal_email
from portal.mail.services import MailNotConfigured, can_send

MAILS: Final = throttle.Limit(
    name="email-changes", tries=5, window_s=3600, message="You have changed this too often."
)


def ask_for_email(*, user: User, email: str, origin: str) -> str:
    """Mail a link to the new address, which is returned as it will be saved. Nothing changes yet.

    Raises Invalid at the field, Throttled or MailNotConfigured.
    """
    email = normal_email(email)
    if not can_send():
        raise MailNotConfigured
    if email == user.email.lower():
        message = "This is your address already."
        raise Invalid.at("email", "same-address", message)
    throttle.count(MAILS, str(user.pk))
    with transaction.atomic():
        person = lock_person(user)
        token, ends = make_link(user=person, purpose=LinkPurpose.EMAIL, email=email)
        with time_zone_of(person):
            mail = account_mails.confirm_email(
                username=person.username, link=f"{origin}/me/email/{token}", ends=ends
            )
        tell(person, mail, email=email)
        tell(person, account_mails.email_change_asked(username=person.username, email=email))
        record_about(
            Verb.EMAIL_CHANGE_ASKED, person, actor=Actor.person(person), after={"email": email}
        )
    return email


def email_link(*, token: str, user: User, address: str) -> MailedLink:
    """The link of `user`, for the page that asks whether to use the address. LinkEnded for anyone
    else.
    """
    link = link_of(token, LinkPurpose.EMAIL, address=address)
    if link.user_id != user.pk:
        raise LinkEnded
    return link


@transaction.atomic
def confirm_email(*, token: str, user: User, address: str) -> User:
    """The account uses the new address from now on. Raises LinkEnded, Throttled or Conflict."""
    link = email_link(token=token, user=user, address=address)
    person = lock_person(user)
    use_link(link)
    if User.objects.filter(email__iexact=link.email).exclude(pk=person.pk).exists():
        raise Conflict("Another account uses this address.", code="address-taken")
    before, person.email = person.email, link.email
    person.save(update_fields=["email"])
    # A link to a new password went to the address that no longer counts.
    MailedLink.objects.filter(user=person).delete()
    mail = account_mails.email_changed(username=person.username, email=person.email)
    tell(person, mail)
    tell(person, mail, email=before)
    record_about(
        Verb.EMAIL_CHANGED,
        person,
        actor=Actor.person(person),
        before={"email": before},
        after={"email": person.email},
    )
    return person
