"""The only way from a person and a slug to an organization."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.utils import timezone

from portal.accounts import access as accounts
from portal.accounts.actors import Actor, ActorKind
from portal.accounts.models import ApiToken, User
from portal.accounts.scopes import Scope
from portal.audit.models import PORTAL_CHAIN
from portal.audit.recording import Object
from portal.audit.refusals import record_refusal
from portal.audit.verbs import Verb
from portal.core.errors import NotAllowed, NotFound, NotSignedIn
from portal.core.formatting import listed
from portal.core.joined_rows import columns_of, rows_of
from portal.core.log_ids import add_log_ids
from portal.core.security_log import SecurityEvent, record
from portal.events.log import lock_log
from portal.organizations.acting import acting_membership, require_still
from portal.organizations.models import (
    Membership,
    Organization,
    Role,
    ServiceToken,
    StaffActing,
)

_EXPIRY: Final = ApiToken._meta.get_field("expiry")
_MEMBERSHIP: Final = "_membership_read_with_token"
_PROGRAMS: Final = (ActorKind.SERVICE_TOKEN, ActorKind.ALERT_SOURCE)
CEILINGS: Final = {
    Scope.READ: Role.VIEWER,
    Scope.REQUEST: Role.OPERATOR,
    Scope.ADMIN: Role.ADMIN,
}
"""The highest role that a token of each scope allows."""

BEYOND_SCOPE: Final = "beyond-scope"

Caller = User | ServiceToken
"""Who makes a call: a person, or a program of the organization."""


def membership_for(user: Caller, slug: str, role: Role = Role.VIEWER) -> Membership:
    """The membership, with its organization; of a service token, an unsaved one. NotFound for
    outsiders, NotAllowed below `role`, which the scope of a token limits too.
    """
    membership = _acting(user, slug) or _read_with_token(user, slug)
    if membership is None:
        membership = memberships_for([(user, slug)]).get((user.pk, slug))
    if membership is None:
        raise NotFound
    add_log_ids(organization=membership.organization_id)
    if not membership.allows(role):
        _record(user, slug, membership.role, membership.organization_id)
        if Role(membership.role).covers(role) and isinstance(user, User) and user.acting_token:
            raise NotAllowed(_beyond_scope(Scope(user.acting_token.scope)), code=BEYOND_SCOPE)
        raise NotAllowed(_refusal(membership, role))
    return membership


def require_current_role(organization_id: UUID, actor: Actor, role: Role = Role.OPERATOR) -> None:
    """Lock the organization's log until the transaction ends, and check again what `membership_for`
    allowed when the call began.

    Everything that ends a right locks the same log: it is done before this check, which then
    refuses, or it waits for the caller's transaction. NotFound for a person who is no member now,
    or if the organization is closed; NotAllowed below `role`. The portal's own acts are free.
    """
    lock_log(organization_id)
    if actor.user is None:
        is_open = Organization.objects.filter(pk=organization_id, is_active=True)
        if actor.kind in _PROGRAMS and not is_open.exists():
            raise NotFound
        if actor.kind == ActorKind.SERVICE_TOKEN:
            _require_service_token(organization_id, actor, role)
        return
    if actor.acting is not None:
        if actor.acting.organization_id != organization_id:
            raise NotFound
        require_still(actor.acting, role)
        return
    if actor.token:
        _require_token(actor, role)
    membership = Membership.objects.filter(
        organization=organization_id,
        organization__is_active=True,
        user=actor.user,
        user__is_active=True,
    ).first()
    if membership is None:
        raise NotFound
    if not membership.allows(role):
        raise NotAllowed(_refusal(membership, role))


def _acting(user: Caller, slug: str) -> Membership | None:
    membership = acting_membership(user, slug) if isinstance(user, User) else None
    if membership is not None:
        membership.ceiling = _ceiling(membership.user)
    return membership


def _require_token(actor: Actor, role: Role) -> None:
    scope = ApiToken.objects.filter(pk=actor.token).values_list("scope", flat=True).first()
    if scope is None:
        raise NotSignedIn("This token was revoked.")
    if not CEILINGS[Scope(scope)].covers(role):
        raise NotAllowed(_beyond_scope(Scope(scope)), code=BEYOND_SCOPE)


def _require_service_token(organization_id: UUID, actor: Actor, role: Role) -> None:
    own = ServiceToken.objects.filter(pk=actor.id, organization=organization_id)
    saved = own.values_list("role", flat=True).first()
    if saved is None:
        raise NotSignedIn("This token was revoked.")
    if not Role(saved).covers(role):
        raise NotAllowed(f"This needs the {role.value} role; the token has {saved}.")


def _beyond_scope(scope: Scope) -> str:
    return f"This token has the scope {scope.value}, which does not allow this."


def lock_logs_of(*, user: User, **_: Any) -> None:
    """Receives `access_ending` of portal.accounts: locks the logs of the person's organizations and
    of the one that staff act for, as everything that ends a right does.
    """
    own = Membership.objects.filter(user=user).values_list("organization_id", flat=True)
    acted = StaffActing.objects.filter(user=user, ended_at__isnull=True)
    for organization_id in sorted({*own, *acted.values_list("organization_id", flat=True)}):
        lock_log(organization_id)


def has_role(
    organization_id: UUID, actor: Actor, role: Role = Role.OPERATOR
) -> tuple[str, list[Any]]:
    """SQL, with its parameters, that is true if `require_current_role` refuses nothing."""
    if actor.kind == ActorKind.SERVICE_TOKEN:
        return _is_service_token(role), [organization_id, UUID(actor.id)]
    if actor.user is None:
        return _is_open(), [organization_id]
    if actor.token:
        sql = f"{_is_member(role)} AND {_is_token(role)}"
        return sql, [organization_id, actor.user.pk, actor.token]
    return _is_member(role), [organization_id, actor.user.pk]


@cache
def _is_open() -> str:
    return f"EXISTS (SELECT 1 FROM {Organization._meta.db_table} WHERE id = %s AND is_active)"  # noqa: S608 (our own names)


@cache
def _is_member(role: Role) -> str:
    roles = ", ".join(f"'{one}'" for one in Role if one.covers(role))
    return (
        f"EXISTS (SELECT 1 FROM {Membership._meta.db_table} AS member"  # noqa: S608 (our own names)
        f" JOIN {User._meta.db_table} AS person ON person.id = member.user_id"
        f" JOIN {Organization._meta.db_table} AS own ON own.id = member.organization_id"
        f" WHERE own.id = %s AND person.id = %s AND member.role IN ({roles})"
        " AND own.is_active AND person.is_active)"
    )


@cache
def _is_token(role: Role) -> str:
    scopes = ", ".join(f"'{one}'" for one, most in CEILINGS.items() if most.covers(role))
    return (
        f"EXISTS (SELECT 1 FROM {ApiToken._meta.db_table}"  # noqa: S608 (our own names)
        f" WHERE digest = %s AND scope IN ({scopes}))"
    )


@cache
def _is_service_token(role: Role) -> str:
    roles = ", ".join(f"'{one}'" for one in Role if one.covers(role))
    return (
        f"EXISTS (SELECT 1 FROM {ServiceToken._meta.db_table} AS token"  # noqa: S608 (our own names)
        f" JOIN {Organization._meta.db_table} AS own ON own.id = token.organization_id"
        f" WHERE own.id = %s AND token.id = %s AND token.role IN ({roles}) AND own.is_active)"
    )


def token_for(plain: str, slug: str, address: str = "") -> ApiToken | None:
    """The live token of an active person. The same statement reads the person's membership in this
    organization, which `membership_for` returns. NotAllowed from a network that it excludes.
    """
    digest = accounts.digest_of(plain)
    if digest is None:
        return None
    now = timezone.now()
    expiry = _EXPIRY.get_db_prep_value(now, connection)
    with connection.cursor() as cursor:
        cursor.execute(_token_and_membership(), [slug, digest, expiry])
        row = cursor.fetchone()
    if row is None:
        return None
    token, user, membership, organization = rows_of(row, ApiToken, User, Membership, Organization)
    assert isinstance(token, ApiToken)
    assert isinstance(user, User)
    token.user, user.acting_token = user, token
    if isinstance(membership, Membership):
        assert isinstance(organization, Organization)
        membership.user, membership.organization = user, organization
        membership.ceiling = _ceiling(user)
        vars(user)[_MEMBERSHIP] = membership
    refusal = accounts.refusal_from(token, address)
    if refusal:
        raise refusal
    accounts.note_use({token: address}, now)
    return token


def _ceiling(user: User) -> Role:
    return CEILINGS[Scope(user.acting_token.scope)] if user.acting_token else Role.ADMIN


@cache
def _token_and_membership() -> str:
    columns = columns_of(token=ApiToken, person=User, member=Membership, own=Organization)
    return (
        f"SELECT {columns} FROM {ApiToken._meta.db_table} AS token"  # noqa: S608 (our own names)
        f" JOIN {User._meta.db_table} AS person ON person.id = token.user_id"
        f" LEFT JOIN ({Membership._meta.db_table} AS member"
        f" JOIN {Organization._meta.db_table} AS own ON own.id = member.organization_id)"
        " ON member.user_id = person.id AND own.slug = %s AND own.is_active"
        " WHERE token.digest = %s AND person.is_active"
        " AND (token.expiry IS NULL OR token.expiry > %s)"
    )


def _read_with_token(user: Caller, slug: str) -> Membership | None:
    membership: Membership | None = vars(user).get(_MEMBERSHIP)
    is_of_slug = membership is not None and membership.organization.slug == slug
    return membership if is_of_slug else None


def memberships_for(asked: Collection[tuple[Caller, str]]) -> dict[tuple[UUID, str], Membership]:
    """The memberships among `asked`, by the caller's id and the slug, each with its organization.
    One statement reads them; the security log names those who are not members.
    """
    people = {user.pk: user for user, _ in asked if isinstance(user, User)}
    memberships = Membership.objects.select_related("organization").filter(
        user__in=people,
        user__is_active=True,
        organization__slug__in={slug for _, slug in asked},
        organization__is_active=True,
    )
    found = {(one.user_id, one.organization.slug): one for one in memberships} if people else {}
    for (user_id, _), membership in found.items():
        membership.ceiling = _ceiling(people[user_id])
    for user, slug in asked:
        if isinstance(user, ServiceToken) and user.organization.slug == slug:
            found[user.pk, slug] = _of_service_token(user)
        if (user.pk, slug) not in found:
            # In the portal's chain: neither tenant learns of the other's people.
            _record(user, slug, "none", PORTAL_CHAIN)
    return found


def _of_service_token(token: ServiceToken) -> Membership:
    membership = Membership(organization=token.organization, role=token.role)
    membership.service_token = token
    return membership


def actor_for(caller: Caller) -> Actor:
    if isinstance(caller, ServiceToken):
        return Actor.service_token(caller.pk, caller.name)
    return Actor.person(caller)


def _record(user: Caller, slug: str, role: str, chain: UUID) -> None:
    record_refusal(
        Verb.ACCESS_REFUSED,
        [chain],
        actor=actor_for(user),
        about=Object("organization", "" if chain == PORTAL_CHAIN else chain, slug),
        after={"role": role},
    )
    record(SecurityEvent.MEMBERSHIP_REFUSED, user=user.username, organization=slug, role=role)


def _refusal(membership: Membership, role: Role) -> str:
    able = list(
        Membership.objects.filter(
            organization_id=membership.organization_id,
            role__in=[other for other in Role if other.covers(role)],
            user__is_active=True,
        )
        .order_by("user__username")
        .values_list("user__username", flat=True)[:5]
    )
    who = f" {listed(able)} can do it." if able else ""
    return f"This needs the {role.value} role; yours is {membership.role}.{who}"
