"""Set up, change and remove an organization's single sign-on. Every change ends the sessions that
it opened: they were opened under other rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from portal.accounts import services as accounts
from portal.accounts.actors import Actor
from portal.accounts.enrolled import has_factor
from portal.audit.recording import Object, changed_fields, record_entry
from portal.audit.verbs import Verb
from portal.core import secrets
from portal.core.errors import Conflict, FieldError, Invalid, NotFound
from portal.core.security_log import SecurityEvent, record
from portal.events.log import lock_log
from portal.organizations.access import require_current_role
from portal.organizations.members import has_admin_who_signs_in_here
from portal.organizations.models import Organization, Role
from portal.sso.discovery import is_url
from portal.sso.models import (
    MAX_CLAIM_NAME_LENGTH,
    MAX_CLIENT_ID_LENGTH,
    MAX_GROUP_LENGTH,
    MAX_ISSUER_LENGTH,
    MAX_SECRET_LENGTH,
    EmailDomain,
    GroupRole,
    SingleSignOn,
)
from portal.sso.required import bound_members
from portal.sso.services.domains import read_domains, set_domains
from portal.sso.services.ending import end_sessions, end_tokens_of

MAX_ROLES: Final = 50
"""Groups with a role, of one organization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """All settings, as an admin wishes them."""

    issuer: str
    client_id: str
    client_secret: str = ""
    "empty: the saved one stays"
    domains: Sequence[str] = ()
    groups_claim: str = ""
    roles: Sequence[GroupRole] = ()
    adds_members: bool = False
    has_second_factor: bool = False
    is_required: bool = False


@transaction.atomic
def configure(*, organization: Organization, setup: Setup, actor: Actor) -> SingleSignOn:
    """Save all settings at once. Invalid, and nothing is saved, if one of them is wrong."""
    require_current_role(organization.pk, actor, Role.ADMIN)
    before = SingleSignOn.objects.filter(organization=organization).first()
    names, errors = read_domains(setup.domains)
    errors = [*_errors_of(setup, before), *errors, *_way_back(setup, actor)]
    errors += _way_in(organization, setup, before)
    if errors:
        raise Invalid("Nothing was saved. Correct the fields listed in errors.", errors=errors)
    old = _shown(before) if before else {}
    sso = before or SingleSignOn(organization=organization)
    sso.issuer, sso.client_id = setup.issuer, setup.client_id
    if setup.client_secret:
        sso.encrypted_secret = secrets.encrypt(setup.client_secret.encode())
    sso.groups_claim, sso.roles = setup.groups_claim, tuple(setup.roles)
    sso.adds_members, sso.has_second_factor = setup.adds_members, setup.has_second_factor
    was_required, sso.is_required = sso.is_required and before is not None, setup.is_required
    sso.changed_at = timezone.now()
    sso.save()
    set_domains(organization, names)
    _record_change(organization, actor, old, _shown(sso), is_new_secret=bool(setup.client_secret))
    end_sessions(organization.pk)
    end_tokens_of(organization.pk)
    if sso.is_required and not was_required:
        for user in bound_members(organization):
            accounts.end_access(user=user)
    return sso


@transaction.atomic
def remove(*, organization: Organization, actor: Actor) -> None:
    """Members sign in with their passwords again, and their links stay for a later set-up.

    Conflict if no admin could sign in then.
    """
    require_current_role(organization.pk, actor, Role.ADMIN)
    sso = SingleSignOn.objects.filter(organization=organization).first()
    if sso is None:
        raise NotFound("Single sign-on is not set up.")
    lock_log(organization.pk)
    if not has_admin_who_signs_in_here(organization):
        raise Conflict(f"{_NO_ADMIN} {_FIRST}", code="last-admin")
    old = _shown(sso)
    end_sessions(organization.pk)
    sso.delete()
    end_tokens_of(organization.pk)
    EmailDomain.objects.filter(organization=organization).delete()
    _record_change(organization, actor, old, {}, is_new_secret=False)


def _errors_of(setup: Setup, before: SingleSignOn | None) -> list[FieldError]:
    errors = []
    if not is_url(setup.issuer) or "?" in setup.issuer or len(setup.issuer) > MAX_ISSUER_LENGTH:
        message = "Write the address as your identity provider shows it: https://login.example.com"
        errors.append(FieldError("issuer", "not-an-issuer", message))
    errors += _text_errors("client_id", setup.client_id, MAX_CLIENT_ID_LENGTH, is_needed=True)
    # Another issuer must not get the secret that was meant for this one.
    is_other = before is None or before.issuer != setup.issuer
    errors += _text_errors(
        "client_secret", setup.client_secret, MAX_SECRET_LENGTH, is_needed=is_other
    )
    has_roles = bool(setup.roles)
    errors += _text_errors(
        "groups_claim", setup.groups_claim, MAX_CLAIM_NAME_LENGTH, is_needed=has_roles
    )
    if len(setup.roles) > MAX_ROLES:
        errors.append(FieldError("roles", "too-many", f"At most {MAX_ROLES} groups are possible."))
    elif len({one.group for one in setup.roles}) < len(setup.roles):
        errors.append(FieldError("roles", "group-twice", "A group is named twice."))
    for number, one in enumerate(setup.roles[:MAX_ROLES]):
        errors += _text_errors(f"roles.{number}", one.group, MAX_GROUP_LENGTH, is_needed=True)
        if one.role not in Role.values:
            message = f"{one.role[:20]} is not a role. Roles are {', '.join(Role.values)}."
            errors.append(FieldError(f"roles.{number}", "unknown-role", message))
    return errors


def _text_errors(name: str, text: str, at_most: int, *, is_needed: bool) -> list[FieldError]:
    if is_needed and not text:
        return [FieldError(name, "blank", "This is missing.")]
    if len(text) > at_most:
        return [FieldError(name, "too-long", f"At most {at_most} characters are allowed.")]
    if not text.isprintable():
        return [FieldError(name, "odd-characters", "Only visible characters are allowed.")]
    return []


_NO_ADMIN: Final = "Without this identity provider no admin could sign in."
_FIRST: Final = (
    "First set a password and a second factor, or a passkey, for an admin of your organization."
)


def _way_back(setup: Setup, actor: Actor) -> list[FieldError]:
    """Who requires single sign-on must be able to end that without it."""
    if not setup.is_required:
        return []
    person = actor.require_person()
    if has_factor(person) and person.has_usable_password():
        return []
    message = (
        "First get a password and a second factor of your own here: if the identity provider is "
        "down, you would be locked out too."
    )
    return [FieldError("is_required", "no-way-back", message)]


def _way_in(
    organization: Organization, setup: Setup, before: SingleSignOn | None
) -> list[FieldError]:
    """Another issuer knows none of the people yet: an admin must be able to come in otherwise."""
    if before is None or before.issuer == setup.issuer:
        return []
    lock_log(organization.pk)
    if has_admin_who_signs_in_here(organization):
        return []
    return [FieldError("issuer", "last-admin", f"{_NO_ADMIN} {_FIRST}")]


def _shown(sso: SingleSignOn) -> dict[str, Any]:
    """What an audit entry may hold."""
    own = EmailDomain.objects.filter(organization=sso.organization_id)
    return {
        "issuer": sso.issuer,
        "client_id": sso.client_id,
        "domains": list(own.values_list("name", flat=True)),
        "groups_claim": sso.groups_claim,
        "roles": [f"{one.group}: {one.role}" for one in sso.roles],
        "adds_members": sso.adds_members,
        "has_second_factor": sso.has_second_factor,
        "is_required": sso.is_required,
    }


def _record_change(
    organization: Organization,
    actor: Actor,
    before: dict[str, Any],
    after: dict[str, Any],
    *,
    is_new_secret: bool,
) -> None:
    former, current = changed_fields(before, after)
    record_entry(
        Verb.SSO_CHANGED if after else Verb.SSO_REMOVED,
        actor=actor,
        organization_id=organization.pk,
        about=Object("single_sign_on", organization.pk, organization.name),
        before=former,
        after=current | ({"client_secret": "replaced"} if is_new_secret else {}),
    )
    record(
        SecurityEvent.SINGLE_SIGN_ON_CHANGED,
        actor=actor.name,
        organization=organization.slug,
        changed=", ".join({**former, **current}),
    )
