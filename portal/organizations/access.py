"""The only way from a person and a slug to an organization."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import DateTimeField
from django.utils import timezone

from portal.accounts import access as accounts
from portal.accounts.actors import Actor, ActorKind
from portal.accounts.models import ApiToken, User
from portal.audit.models import PORTAL_CHAIN
from portal.audit.recording import Object
from portal.audit.refusals import record_refusal
from portal.audit.verbs import Verb
from portal.core.errors import NotAllowed, NotFound
from portal.core.formatting import listed
from portal.core.joined_rows import columns_of, rows_of
from portal.core.log_ids import add_log_ids
from portal.core.security_log import SecurityEvent, record
from portal.events.log import lock_log
from portal.organizations.models import Membership, Organization, Role

_MEMBERSHIP: Final = "_membership_read_with_token"
_PROGRAMS: Final = (ActorKind.SERVICE_TOKEN, ActorKind.ALERT_SOURCE)


def membership_for(user: User, slug: str, role: Role = Role.VIEWER) -> Membership:
    """The membership, with its organization. NotFound for outsiders, NotAllowed below `role`."""
    membership = _read_with_token(user, slug)
    if membership is None:
        membership = memberships_for([(user, slug)]).get((user.pk, slug))
    if membership is None:
        raise NotFound
    add_log_ids(organization=membership.organization_id)
    if not membership.allows(role):
        _record(user, slug, membership.role, membership.organization_id)
        raise NotAllowed(_refusal(membership, role))
    return membership


def require_current_role(organization_id: UUID, actor: Actor, role: Role = Role.OPERATOR) -> None:
    """Lock the organization's log until the transaction ends, and check again what `membership_for`
    allowed when the call began.

    Everything that ends a right locks the same log: it is done before this check, which then
    refuses, or it waits for the caller's transaction. NotFound for a person who is no member now,
    or if the organization is suspended; NotAllowed below `role`. The portal's own acts are free.
    """
    lock_log(organization_id)
    if actor.user is None:
        is_open = Organization.objects.filter(pk=organization_id, is_active=True)
        if actor.kind in _PROGRAMS and not is_open.exists():
            raise NotFound
        return
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


def lock_logs_of(*, user: User, **_: Any) -> None:
    """Receives `access_ending` of portal.accounts: locks the logs of the person's organizations, as
    everything that ends a right does.
    """
    own = Membership.objects.filter(user=user).order_by("organization_id")
    for organization_id in own.values_list("organization_id", flat=True):
        lock_log(organization_id)


def has_role(
    organization_id: UUID, actor: Actor, role: Role = Role.OPERATOR
) -> tuple[str, list[Any]]:
    """SQL, with its parameters, that is true if `require_current_role` refuses nothing."""
    if actor.user is None:
        return _is_open(), [organization_id]
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


def token_for(plain: str, slug: str) -> ApiToken | None:
    """The live token of an active person. The same statement reads the person's membership in this
    organization, which `membership_for` returns.
    """
    digest = accounts.digest_of(plain)
    if digest is None:
        return None
    now = timezone.now()
    expiry = DateTimeField().get_db_prep_value(now, connection)
    with connection.cursor() as cursor:
        cursor.execute(_token_and_membership(), [slug, digest, expiry])
        row = cursor.fetchone()
    if row is None:
        return None
    token, user, membership, organization = rows_of(row, ApiToken, User, Membership, Organization)
    assert isinstance(token, ApiToken)
    assert isinstance(user, User)
    token.user = user
    if isinstance(membership, Membership):
        assert isinstance(organization, Organization)
        membership.user, membership.organization = user, organization
        vars(user)[_MEMBERSHIP] = membership
    accounts.note_use([token], now)
    return token


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


def _read_with_token(user: User, slug: str) -> Membership | None:
    membership: Membership | None = vars(user).get(_MEMBERSHIP)
    is_of_slug = membership is not None and membership.organization.slug == slug
    return membership if is_of_slug else None


def memberships_for(asked: Collection[tuple[User, str]]) -> dict[tuple[UUID, str], Membership]:
    """The memberships among `asked`, by the person's id and the slug, each with its organization.
    One statement reads them; the security log names those who are not members.
    """
    memberships = Membership.objects.select_related("organization").filter(
        user__in={user.pk for user, _ in asked},
        user__is_active=True,
        organization__slug__in={slug for _, slug in asked},
        organization__is_active=True,
    )
    found = {(one.user_id, one.organization.slug): one for one in memberships}
    for user, slug in asked:
        if (user.pk, slug) not in found:
            # In the portal's chain: neither tenant learns of the other's people.
            _record(user, slug, "none", PORTAL_CHAIN)
    return found


def _record(user: User, slug: str, role: str, chain: UUID) -> None:
    record_refusal(
        Verb.ACCESS_REFUSED,
        [chain],
        actor=Actor.person(user),
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
