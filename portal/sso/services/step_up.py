"""Confirm an act at the identity provider instead of with a code."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.contrib.sessions.backends.base import SessionBase

from portal.accounts.actors import Actor
from portal.accounts.audited import record_about
from portal.accounts.models import User
from portal.accounts.services.sessions import note_factor, note_first_step
from portal.audit.recording import Object
from portal.audit.verbs import Verb
from portal.core.security_log import SecurityEvent, record
from portal.sso.errors import SignInRefused
from portal.sso.models import FederatedFactor, SingleSignOn
from portal.sso.refusals import Refused
from portal.sso.services.admission import FACTOR_NAME
from portal.sso.statements import Statements

CLOCKS_DIFFER: Final = timedelta(seconds=60)


def step_up(
    *,
    session: SessionBase,
    user: User,
    factor: FederatedFactor,
    sso: SingleSignOn,
    statements: Statements,
    since: datetime,
    address: str,
) -> bool:
    """The person of this session signed in there again after `since`. Whether the identity provider
    says that this took a second factor; if not, the portal asks for its own. Raises SignInRefused.
    """
    identity = factor.identity
    if (identity.issuer, identity.subject) != (statements.issuer, statements.subject):
        raise SignInRefused(Refused.OTHER_PERSON)
    at = statements.authenticated_at
    if at is None or at < since - CLOCKS_DIFFER:
        raise SignInRefused(Refused.NOT_FRESH)
    note_first_step(session)
    if not (sso.has_second_factor or statements.shows_factor):
        return False
    note_factor(session)
    record(SecurityEvent.STEP_UP, user=user.username, address=address, factor=FACTOR_NAME)
    record_about(
        Verb.STEPPED_UP,
        user,
        actor=Actor.person(user),
        about=Object("person", user.pk, user.username),
        address=address,
        factor=factor,
    )
    return True
