"""Who a person is that an identity provider vouches for: link, add, and give the role (ADR 68).

An identity is its issuer and subject. The address only finds the member at the first sign-in, and
only with a domain that the organization proved.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Final

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.audited import record_about, record_refused_sign_in
from portal.accounts.models import User
from portal.accounts.services import MAX_USERNAME_LENGTH
from portal.audit.recording import Object, record_entry
from portal.audit.verbs import Verb
from portal.core.security_log import SecurityEvent, record
from portal.events.log import lock_log
from portal.organizations import members
from portal.organizations.models import Membership, Organization, Role
from portal.sso.errors import SignInRefused
from portal.sso.models import EmailDomain, FederatedFactor, FederatedIdentity, SingleSignOn
from portal.sso.refusals import Refused
from portal.sso.statements import Statements, mapped_role

FACTOR_NAME: Final = "Single sign-on"
STEP: Final = "single-sign-on"
_NOT_IN_NAMES: Final = re.compile(r"[^\w.@+-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A person who may have a session now."""

    user: User
    factor: FederatedFactor
    has_second_factor: bool
    "False: the portal asks for its own"


def admit(*, sso: SingleSignOn, statements: Statements, address: str) -> Admitted:
    """The person, who is a member. Raises SignInRefused, and then nothing has changed."""
    with transaction.atomic():
        admitted = _admit(sso, statements)
        if admitted.has_second_factor:
            # Otherwise the check of the portal's own factor records the sign-in.
            _record_sign_in(admitted, address=address)
    return admitted


def _record_sign_in(admitted: Admitted, *, address: str) -> None:
    user = admitted.user
    record(SecurityEvent.SIGN_IN, user=user.username, address=address, factor=FACTOR_NAME)
    record_about(
        Verb.SIGNED_IN,
        user,
        actor=Actor.person(user),
        about=Object("person", user.pk, user.username),
        address=address,
        factor=admitted.factor,
    )


def record_refused(organization: Organization, error: SignInRefused, *, address: str) -> None:
    """A sign-in at the identity provider of this organization ended without a session."""
    record(
        SecurityEvent.SIGN_IN_REFUSED,
        user="(unknown)",
        address=address,
        step=STEP,
        organization=organization.slug,
        why=error.why.value,
    )
    record_refused_sign_in(Verb.SIGN_IN_REFUSED, "", address=address, step=STEP)


def _admit(sso: SingleSignOn, statements: Statements) -> Admitted:
    lock_log(sso.organization_id)
    current = _current(sso)
    organization, now = current.organization, timezone.now()
    identity = _identity(current, statements)
    user = identity.user if identity else _first_time(current, statements)
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    _require_own_member(user, organization, is_known=identity is not None)
    if identity is None:
        identity = _link(current, statements, user)
    _give_role(current, identity, statements)
    identity.last_used_at = now
    identity.save(update_fields=["last_used_at", "has_mapped_role"])
    factor, _ = FederatedFactor.objects.get_or_create(
        identity=identity, defaults={"user": user, "name": FACTOR_NAME, "confirmed": True}
    )
    return Admitted(
        user=user,
        factor=factor,
        has_second_factor=current.has_second_factor or statements.shows_factor,
    )


def _current(sso: SingleSignOn) -> SingleSignOn:
    """The settings under the lock: they may have changed while the person was away."""
    current = (
        SingleSignOn.objects.filter(organization=sso.organization_id, organization__is_active=True)
        .select_related("organization")
        .first()
    )
    if current is None or current.changed_at != sso.changed_at:
        raise SignInRefused(Refused.STALE)
    return current


def _identity(sso: SingleSignOn, statements: Statements) -> FederatedIdentity | None:
    return (
        FederatedIdentity.objects.filter(
            organization=sso.organization_id,
            issuer=statements.issuer,
            subject=statements.subject,
        )
        .select_related("user")
        .first()
    )


def _first_time(sso: SingleSignOn, statements: Statements) -> User:
    """The only member with the address that the identity provider may vouch for; or a new one."""
    require_address(sso, statements)
    found = list(
        User.objects.filter(
            memberships__organization=sso.organization_id, email__iexact=statements.email
        )[:2]
    )
    if len(found) > 1:
        raise SignInRefused(Refused.AMBIGUOUS)
    if found:
        own = FederatedIdentity.objects.filter(
            organization=sso.organization_id, issuer=statements.issuer, user=found[0]
        )
        if own.exists():
            raise SignInRefused(Refused.OTHER_SUBJECT)
        return found[0]
    if not sso.adds_members or User.objects.filter(email__iexact=statements.email).exists():
        raise SignInRefused(Refused.UNKNOWN_PERSON)
    return _add(sso, statements)


def require_address(sso: SingleSignOn, statements: Statements) -> None:
    """SignInRefused unless the identity provider may vouch for the address."""
    if not statements.email or statements.email.count("@") != 1:
        raise SignInRefused(Refused.NO_EMAIL)
    if not statements.is_email_verified:
        raise SignInRefused(Refused.EMAIL_UNVERIFIED)
    own = EmailDomain.objects.filter(organization=sso.organization_id, proved_at__isnull=False)
    if not own.filter(name=statements.domain).exists():
        raise SignInRefused(Refused.DOMAIN_UNPROVED)


def _add(sso: SingleSignOn, statements: Statements) -> User:
    """A new person without a password, as a viewer; a group may give another role."""
    name = _NOT_IN_NAMES.sub("_", statements.email)[: MAX_USERNAME_LENGTH - 9]
    if User.objects.filter(username__iexact=name).exists():
        name = f"{name}-{secrets.token_hex(4)}"
    user = User(username=name, email=statements.email)
    user.set_unusable_password()
    user.save()
    record_entry(
        Verb.PERSON_ADDED,
        actor=Actor.portal(),
        organization_id=sso.organization_id,
        about=Object("person", user.pk, user.username),
    )
    members.set_role(
        organization=sso.organization, user=user, role=Role.VIEWER, actor=Actor.portal()
    )
    return user


def _require_own_member(user: User, organization: Organization, *, is_known: bool) -> None:
    own = list(Membership.objects.filter(user=user).values_list("organization", flat=True))
    if not user.is_active:
        raise SignInRefused(Refused.INACTIVE)
    if organization.pk not in own:
        raise SignInRefused(Refused.REMOVED if is_known else Refused.UNKNOWN_PERSON)
    if len(own) > 1 or user.is_staff or user.is_superuser:
        raise SignInRefused(Refused.ELSEWHERE)


def _link(sso: SingleSignOn, statements: Statements, user: User) -> FederatedIdentity:
    now = timezone.now()
    identity = FederatedIdentity.objects.create(
        organization=sso.organization,
        user=user,
        issuer=statements.issuer,
        subject=statements.subject,
        linked_at=now,
        last_used_at=now,
    )
    record_entry(
        Verb.SSO_LINKED,
        actor=Actor.person(user),
        organization_id=sso.organization_id,
        about=Object("person", user.pk, user.username),
        after={"issuer": statements.issuer, "subject": statements.subject},
    )
    return identity


def _give_role(sso: SingleSignOn, identity: FederatedIdentity, statements: Statements) -> None:
    """The role of the groups. A person without such a group keeps the role, unless a group gave
    it: then it ends. The last admin keeps the role in any case.
    """
    role = mapped_role(statements.groups or (), sso.roles)
    if role is None and not identity.has_mapped_role:
        return
    membership = members.member_for(sso.organization, identity.user_id)
    wanted = role or Role.VIEWER
    if membership.role != wanted:
        if members.is_last_admin(membership):
            return
        members.set_role(
            organization=sso.organization,
            user=membership.user,
            role=wanted,
            actor=Actor.portal(),
        )
    identity.has_mapped_role = role is not None


def verdict(sso: SingleSignOn, statements: Statements) -> Refused | None:
    """What a sign-in with these statements would answer now, without doing it; None: a session."""
    try:
        with transaction.atomic():
            _admit(sso, statements)
            transaction.set_rollback(True)
    except SignInRefused as error:
        return error.why
    return None
