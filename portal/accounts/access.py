"""The only way from a presented credential to a person."""

from __future__ import annotations

import hmac
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.apps import apps
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import Error
from django.db.models import Case, F, Q, Value, When
from django.http import HttpRequest
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.models import Device
from knox.crypto import hash_token

from portal.accounts.actors import Actor
from portal.accounts.audited import chains_of, record_about
from portal.accounts.models import ApiToken, User
from portal.accounts.networks import is_allowed
from portal.accounts.session_store import MUST_CHOOSE_PASSWORD, SessionStore, live_sessions
from portal.accounts.token_text import is_malformed
from portal.audit.recording import Object
from portal.audit.refusals import record_refusal
from portal.audit.verbs import Verb
from portal.core.database import is_away
from portal.core.errors import NotAllowed
from portal.core.security_log import SecurityEvent, record

logger = logging.getLogger(__name__)

MAX_TOKEN_LENGTH: Final = 128
LAST_USED_PRECISION: Final = timedelta(minutes=1)
"""The precision of `last_used_at`, since one write per call would be too many."""


def person_of(request: HttpRequest) -> User:
    """The person of a request that passed RequireSecondFactor, which refuses all others."""
    assert isinstance(request.user, User)
    return request.user


def actor_of(request: HttpRequest) -> Actor:
    return Actor.person(person_of(request))


def token_for(plain: str, address: str = "") -> ApiToken | None:
    """The live token of an active person. NotAllowed from a network that it excludes."""
    found = tokens_for([(plain, address)]).get((plain, address))
    if isinstance(found, NotAllowed):
        raise found
    return found


def tokens_for(
    presented: Collection[tuple[str, str]],
) -> dict[tuple[str, str], ApiToken | NotAllowed]:
    """The live tokens of active persons among `presented`, which are texts and the addresses they
    come from; read with one statement.
    """
    digests = {one: digest for one in presented if (digest := digest_of(one[0]))}
    if not digests:
        return {}
    now = timezone.now()
    rows = {
        token.digest: token
        for token in ApiToken.objects.select_related("user")
        .filter(Q(expiry__isnull=True) | Q(expiry__gt=now))
        .filter(digest__in=set(digests.values()), user__is_active=True)
    }
    found: dict[tuple[str, str], ApiToken | NotAllowed] = {}
    for one, digest in digests.items():
        if token := rows.get(digest):
            token.user.acting_token = token
            found[one] = refusal_from(token, one[1]) or token
    allowed = {one: token for one, token in found.items() if isinstance(token, ApiToken)}
    note_use({token: address for (_, address), token in allowed.items()}, now)
    return found


def digest_of(plain: str) -> str | None:
    """Under which a token is saved; None for text that is no token."""
    is_possible = plain.isascii() and len(plain) <= MAX_TOKEN_LENGTH and not is_malformed(plain)
    return hash_token(plain) if is_possible else None


def refusal_from(token: ApiToken, address: str) -> NotAllowed | None:
    """Why the token does not act from `address`; None if it may."""
    if is_allowed(token.allowed_networks, address):
        return None
    record_refusal(
        Verb.ACCESS_REFUSED,
        chains_of(token.user.username, is_staff=token.user.is_staff),
        actor=Actor.person(token.user),
        about=Object("token", token.device_id, token.device_name),
        after={"network": address},
    )
    return refused_network(address, of=token.user.username, token=token.device_name)


def refused_network(address: str, *, of: str, token: str) -> NotAllowed:
    """The refusal of a token outside of its networks, written to the security log."""
    record(SecurityEvent.TOKEN_REFUSED, of=of, token=token, address=address)
    return NotAllowed(
        f"This token may not be used from {address or 'an unknown address'}.",
        code="network-not-allowed",
    )


def note_use(tokens: Mapping[ApiToken, str], now: datetime) -> None:
    """Record when, and from which address, they were used last, to LAST_USED_PRECISION."""
    due = {
        token: address
        for token, address in tokens.items()
        if token.last_used_at is None or now - token.last_used_at >= LAST_USED_PRECISION
    }
    if not due:
        return
    first = [token for token in due if token.last_used_at is None]
    addresses = [When(pk=token.pk, then=Value(address[:64])) for token, address in due.items()]
    try:
        ApiToken.objects.filter(pk__in=[token.pk for token in due]).update(
            last_used_at=now, last_used_address=Case(*addresses, default=F("last_used_address"))
        )
        for token in first:
            record_about(
                Verb.TOKEN_FIRST_USED,
                token.user,
                actor=Actor.person(token.user),
                about=Object("token", token.device_id, token.device_name),
                after={"of": token.user.username},
            )
    except Error as error:
        # A read-only database still answers reads.
        if not is_away(error):
            raise
        logger.warning("the use of a token was not recorded: %s", error)


def user_of_session(session_key: str) -> User | None:
    """The person of a live session whose second factor is done."""
    return users_of_sessions([session_key]).get(session_key)


def users_of_sessions(session_keys: Collection[str]) -> dict[str, User]:
    """The persons of the live sessions among `session_keys` whose second factor is done.

    Reads with one statement each: sessions, persons, and each kind of second factor.
    """
    sessions = _live_sessions(session_keys)
    users = _active_users(str(session.get(SESSION_KEY, "")) for session in sessions.values())
    owners = _owners_of_devices(
        str(session.get(DEVICE_ID_SESSION_KEY) or "") for session in sessions.values()
    )
    found = {}
    for key, session in sessions.items():
        user = users.get(str(session.get(SESSION_KEY, "")))
        if (
            user is not None
            and MUST_CHOOSE_PASSWORD not in session
            and _password_is_unchanged(user, session)
            and owners.get(str(session.get(DEVICE_ID_SESSION_KEY) or "")) == user.pk
        ):
            found[key] = user
    return found


def _live_sessions(session_keys: Collection[str]) -> dict[str, dict[str, Any]]:
    """What each live session of a person holds, by its key."""
    possible = {key for key in session_keys if key.isascii() and key.isalnum()}
    if not possible:
        return {}
    decode = SessionStore().decode
    rows = live_sessions().filter(session_key__in=possible)
    sessions = {row.session_key: decode(row.session_data) for row in rows}
    return {key: session for key, session in sessions.items() if BACKEND_SESSION_KEY in session}


def _active_users(user_ids: Iterable[str]) -> dict[str, User]:
    possible = {user_id for user_id in user_ids if _is_uuid(user_id)}
    if not possible:
        return {}
    return {str(user.pk): user for user in User.objects.filter(pk__in=possible, is_active=True)}


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _owners_of_devices(persistent_ids: Iterable[str]) -> dict[str, UUID]:
    """The person of each confirmed second factor, by the factor's persistent id."""
    kinds: dict[type[Device], dict[int, str]] = defaultdict(dict)
    for persistent_id in set(persistent_ids):
        with suppress(ValueError, LookupError):
            label, _, number = persistent_id.rpartition("/")
            kind = apps.get_model(label)
            if issubclass(kind, Device):
                kinds[kind][int(number)] = persistent_id
    return {
        numbers[number]: user_id
        for kind, numbers in kinds.items()
        for number, user_id in kind.objects.filter(pk__in=numbers, confirmed=True).values_list(
            "pk", "user_id"
        )
    }


def _password_is_unchanged(user: User, session: Mapping[str, Any]) -> bool:
    kept = str(session.get(HASH_SESSION_KEY) or "")
    return any(
        hmac.compare_digest(kept, known)
        for known in [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    )
