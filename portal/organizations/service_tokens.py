"""Tokens of programs that belong to the organization: they outlive the person who made them, and
act under their own name.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import Error, transaction
from django.db.models import Case, F, QuerySet, Value, When
from django.utils import timezone
from knox.crypto import hash_token

from portal.accounts import access as accounts
from portal.accounts import token_mails, token_text
from portal.accounts.actors import Actor
from portal.accounts.networks import is_allowed
from portal.accounts.services.tell import tell
from portal.accounts.services.tokens import check_new_token
from portal.audit.recording import Object, record_entry
from portal.audit.refusals import record_refusal
from portal.audit.verbs import Verb
from portal.core.broadcast import access_changed_on_commit
from portal.core.database import is_away
from portal.core.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.core.security_log import SecurityEvent, record
from portal.events.log import lock_log
from portal.organizations import members
from portal.organizations.models import Organization, Role, ServiceToken

logger = logging.getLogger(__name__)

MAX_SERVICE_TOKENS: Final = 50
"""Of one organization."""
ROLES: Final = (Role.VIEWER, Role.OPERATOR)
"""Those that a program may have. People decide about people."""


@transaction.atomic
def make(
    *,
    organization: Organization,
    actor: Actor,
    name: str,
    role: Role,
    days: int,
    networks: Sequence[str],
    address: str = "",
) -> tuple[ServiceToken, str]:
    """A token, and its text, which is never shown again. Each admin gets a mail.

    `days`: until it ends. Invalid with an error at each wrong field, NotAllowed for others than
    admins, Conflict beyond MAX_SERVICE_TOKENS. Needs a fresh factor, which the caller checks.
    """
    lock_log(organization.pk)
    members.require_admin(organization, actor)
    allowed = check_new_token(name, days, networks)
    if role not in ROLES:
        message = "A service token may have the role viewer or operator."
        raise Invalid.at("role", "not-a-choice", message)
    _require_room(organization, name.strip())
    person, now = actor.require_person(), timezone.now()
    plain = token_text.make(token_text.SERVICE)
    token = ServiceToken.objects.create(
        organization=organization,
        name=name.strip(),
        digest=hash_token(plain),
        hint=plain[: token_text.HINT_LENGTH],
        role=role,
        allowed_networks=allowed,
        created_at=now,
        created_by=person,
        expires_at=now + timedelta(days=days),
    )
    record_entry(
        Verb.SERVICE_TOKEN_ISSUED,
        actor=actor,
        organization_id=organization.pk,
        about=_object(token),
        after={"role": role.value, "networks": allowed.split(), "ends": token.expires_at},
    )
    record(SecurityEvent.TOKEN_ISSUED, user=person.username, device=token.username, address=address)
    _tell_admins(token, by=person.username, address=address)
    return token, plain


def _require_room(organization: Organization, name: str) -> None:
    own = tokens_of(organization)
    if own.filter(name=name).exists():
        message = "The organization has a service token with this name. Choose another one."
        raise Invalid.at("name", "taken", message)
    if own.count() >= MAX_SERVICE_TOKENS:
        raise Conflict(
            f"The organization has {MAX_SERVICE_TOKENS} service tokens, the most possible. "
            "Revoke one first.",
            code="too-many-tokens",
        )


def _tell_admins(token: ServiceToken, *, by: str, address: str) -> None:
    for admin in members.admins(token.organization):
        mail = token_mails.service_token_made(
            admin.user.username,
            token.name,
            by=by,
            organization=token.organization.name,
            role=token.role,
            address=address,
        )
        tell(admin.user, mail)


@transaction.atomic
def revoke(*, organization: Organization, token_id: UUID, actor: Actor, address: str = "") -> None:
    """End the token, its sockets, and the right of its running calls to commit. NotFound for
    another organization's, NotAllowed for others than admins.
    """
    lock_log(organization.pk)
    members.require_admin(organization, actor)
    token = tokens_of(organization).filter(pk=token_id).first()
    if token is None:
        raise NotFound
    record_entry(
        Verb.SERVICE_TOKEN_ENDED,
        actor=actor,
        organization_id=organization.pk,
        about=_object(token),
        after={"why": "revoked"},
    )
    record(
        SecurityEvent.TOKEN_ENDED,
        user=actor.require_person().username,
        device=token.username,
        address=address,
    )
    access_changed_on_commit(token.pk)
    token.delete()


def tokens_of(organization: Organization) -> QuerySet[ServiceToken]:
    return (
        ServiceToken.objects.filter(organization=organization)
        .select_related("organization", "created_by")
        .order_by("name")
    )


def prune(*, now: datetime) -> None:
    """Delete expired tokens."""
    for token in ServiceToken.objects.filter(expires_at__lte=now):
        with transaction.atomic():
            if ServiceToken.objects.filter(pk=token.pk, expires_at__lte=now).delete()[0]:
                record_entry(
                    Verb.SERVICE_TOKEN_ENDED,
                    actor=Actor.portal(),
                    organization_id=token.organization_id,
                    about=_object(token),
                    after={"why": "expired"},
                )


# Access


def service_token_for(plain: str, address: str) -> ServiceToken | None:
    """The live token, with its organization. NotAllowed from a network that it excludes."""
    found = service_tokens_for([(plain, address)]).get((plain, address))
    if isinstance(found, NotAllowed):
        raise found
    return found


def service_tokens_for(
    presented: Collection[tuple[str, str]],
) -> dict[tuple[str, str], ServiceToken | NotAllowed]:
    """The live tokens of active organizations among `presented`, which are texts and the addresses
    they come from; read with one statement.
    """
    digests = {
        one: digest
        for one in presented
        if is_service_token(one[0]) and (digest := accounts.digest_of(one[0]))
    }
    if not digests:
        return {}
    now = timezone.now()
    rows = {
        token.digest: token
        for token in ServiceToken.objects.select_related("organization").filter(
            digest__in=set(digests.values()), expires_at__gt=now, organization__is_active=True
        )
    }
    found: dict[tuple[str, str], ServiceToken | NotAllowed] = {}
    used: dict[ServiceToken, str] = {}
    for one, digest in digests.items():
        if token := rows.get(digest):
            refusal = _refusal_from(token, one[1])
            found[one] = refusal or token
            if refusal is None:
                used[token] = one[1]
    _note_use(used, now)
    return found


def is_service_token(plain: str) -> bool:
    return plain.startswith(token_text.SERVICE)


def _refusal_from(token: ServiceToken, address: str) -> NotAllowed | None:
    if is_allowed(token.allowed_networks, address):
        return None
    record_refusal(
        Verb.ACCESS_REFUSED,
        [token.organization_id],
        actor=Actor.service_token(token.pk, token.name),
        about=_object(token),
        after={"network": address},
    )
    return accounts.refused_network(address, of=token.organization.slug, token=token.username)


def _note_use(used: Mapping[ServiceToken, str], now: datetime) -> None:
    due = {
        token: address
        for token, address in used.items()
        if token.last_used_at is None or now - token.last_used_at >= accounts.LAST_USED_PRECISION
    }
    if not due:
        return
    addresses = [When(pk=token.pk, then=Value(address[:64])) for token, address in due.items()]
    try:
        ServiceToken.objects.filter(pk__in=[token.pk for token in due]).update(
            last_used_at=now, last_used_address=Case(*addresses, default=F("last_used_address"))
        )
        for token in due:
            if token.last_used_at is None:
                record_entry(
                    Verb.SERVICE_TOKEN_FIRST_USED,
                    actor=Actor.service_token(token.pk, token.name),
                    organization_id=token.organization_id,
                    about=_object(token),
                )
    except Error as error:
        # A read-only database still answers reads.
        if not is_away(error):
            raise
        logger.warning("the use of a service token was not recorded: %s", error)


def _object(token: ServiceToken) -> Object:
    return Object("service_token", token.pk, token.name)
