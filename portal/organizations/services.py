"""All changes to organizations, their members and their resources."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.broadcast import access_changed_on_commit
from portal.core.errors import Conflict, FieldError, Invalid
from portal.core.security_log import SecurityEvent, record
from portal.core.targets import Target, TargetError, read, shown
from portal.core.wording.targets import field_error
from portal.events.data import EventData
from portal.events.log import lock_log
from portal.events.models import EventType
from portal.organizations import claims, idempotency, queries
from portal.organizations.access import require_current_role
from portal.organizations.members import remove_member as remove_member
from portal.organizations.members import set_role as set_role
from portal.organizations.models import (
    Membership,
    Organization,
    ProtectedResource,
    ResourceKind,
    ResultKind,
)
from portal.organizations.recording import changes, record_change

MAX_RESOURCES: Final = 500
MAX_RESOURCE_NAME_LENGTH: Final = 100
SETTINGS: Final = (
    "name",
    "slug",
    "is_active",
    "patience_s",
    "default_lifetime_s",
    "max_lifetime_s",
    "may_be_indefinite",
    "late_acceptance",
    "max_live_requests",
    "max_live_requests_per_person",
    "shortest_prefix_v4",
    "shortest_prefix_v6",
    "approval",
    "approval_prefix_v4",
    "approval_prefix_v6",
    "approval_wait_s",
    "names_in_notices",
)


# Resources


@transaction.atomic
def add_resource(
    *,
    organization: Organization,
    actor: Actor,
    name: str,
    kind: ResourceKind,
    value: str,
    key: str = "",
    is_by_staff: bool = False,
) -> ProtectedResource:
    """Add a resource. It cannot be used until the portal's staff verify it.

    The same `key` and content from the same person return the same resource.
    """
    # Lock the organization's row: the uniqueness of names and values, and the number of resources,
    # apply per organization.
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    person = actor.require_person()
    if not is_by_staff:
        require_current_role(organization.pk, actor)
    call = idempotency.begin(organization, actor, ResultKind.RESOURCE, key, [name, kind, value])
    if call.first_result is not None:
        # Staff may have deleted it.
        earlier = ProtectedResource.objects.filter(pk=call.first_result).first()
        if earlier is not None:
            return earlier
    resource = _create_resource(organization, name, kind, value)
    call.save_result(resource.pk)
    record_resource(EventType.RESOURCE_ADDED, resource, person)
    return resource


def record_resource(
    type: EventType, resource: ProtectedResource, by: User | Actor, more: EventData | None = None
) -> None:
    """Append an event about a resource."""
    data = EventData(
        resource=str(resource.pk),
        name=resource.name,
        kind=resource.kind,
        value=resource.value,
    )
    record_change(resource.organization_id, type, actor=by, data=data | (more or {}))


def _create_resource(
    organization: Organization, name: str, kind: ResourceKind, value: str
) -> ProtectedResource:
    normal = check_resource(organization=organization, name=name, kind=kind, value=value)
    return ProtectedResource.objects.create(
        organization=organization, name=name, kind=kind, value=normal
    )


def check_resource(*, organization: Organization, name: str, kind: ResourceKind, value: str) -> str:
    """The value in normal form if the resource could be added now; otherwise Invalid or
    Conflict.
    """
    own = ProtectedResource.objects.filter(organization=organization)
    if own.count() >= MAX_RESOURCES:
        raise Conflict(
            f"{organization.name} has reached the limit of {MAX_RESOURCES} resources.",
            code="too-many-resources",
        )
    errors: list[FieldError] = []
    target = _read(kind, value, errors)
    normal = str(target or "")
    if target and (why := claims.why_too_broad(target)):
        errors.append(FieldError("value", "too-broad", why))
    same_value = own.filter(kind=kind, value=normal).first() if target else None
    if same_value is not None:
        message = f"{normal} already exists, under the name {same_value.name}."
        errors.append(FieldError("value", "value-exists", message))
    if own.filter(name=name).exists():
        message = f"{organization.name} already has a resource called {name}. Choose another name."
        errors.append(FieldError("name", "name-exists", message))
    if errors:
        raise Invalid("Nothing was saved. Correct the fields listed in errors.", errors=errors)
    return normal


def _read(kind: ResourceKind, value: str, errors: list[FieldError]) -> Target | None:
    try:
        return read(value, kind)
    except TargetError as error:
        errors.append(field_error("value", error))
        return None


@transaction.atomic
def verify_resource(
    *,
    resource: ProtectedResource,
    actor: User,
    address: str = "",
    reason: str = "",
    overlaps_seen: str = "",
) -> ProtectedResource:
    """Record that the portal's staff confirm that the resource belongs to the organization. Only
    the first call counts.

    `overlaps_seen` is the `fingerprint` of the overlaps that the staff saw; if there are any, a
    reason is required. Invalid if no provider could protect the resource, or if it is too broad for
    one organization.
    """
    locked = lock_for_verification(resource)
    if locked.verified_at is not None:
        return locked
    overlapping = queries.overlapping(locked)
    _refuse_unclear_claim(locked, overlapping, overlaps_seen=overlaps_seen, reason=reason)
    mark_verified(locked, by=actor, reason=reason, overlapping=overlapping, address=address)
    return locked


def lock_for_verification(resource: ProtectedResource) -> ProtectedResource:
    """The row as it is now, until the transaction ends; DoesNotExist if it was removed.

    Locks all organizations, so that of two overlapping resources verified at the same time the
    second finds the first.
    """
    list(Organization.objects.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    lock_log(resource.organization_id)
    return ProtectedResource.objects.select_for_update().get(pk=resource.pk)


def mark_verified(
    locked: ProtectedResource,
    *,
    by: User | Actor,
    reason: str = "",
    overlapping: Sequence[ProtectedResource] = (),
    address: str = "",
    method: str = "staff",
) -> None:
    """Let the organization use a resource that `lock_for_verification` locked. `by`: staff, or the
    portal, which found the proof with `method`.
    """
    locked.verified_at = timezone.now()
    locked.verified_by = by if isinstance(by, User) else None
    locked.verification_reason = reason.strip()
    locked.save(update_fields=["verified_at", "verified_by", "verification_reason"])
    record_resource(EventType.RESOURCE_VERIFIED, locked, by)
    record(
        SecurityEvent.RESOURCE_VERIFIED,
        actor=by.username if isinstance(by, User) else "portal",
        organization=locked.organization.slug,
        resource=locked.name,
        value=locked.value,
        method=method,
        overlaps=", ".join(f"{one.organization.slug} {one.value}" for one in overlapping),
        address=address,
    )


def _refuse_unclear_claim(
    resource: ProtectedResource,
    overlapping: Sequence[ProtectedResource],
    *,
    overlaps_seen: str,
    reason: str,
) -> None:
    if problem := resource.problem or claims.why_too_broad(resource.target):
        raise _not_verified(resource, "not-askable" if resource.problem else "too-broad", problem)
    if overlapping and fingerprint(overlapping) != overlaps_seen:
        raise _not_verified(
            resource, "overlaps", "It overlaps with resources of other organizations, listed below."
        )
    if overlapping and not reason.strip():
        raise _not_verified(
            resource,
            "reason-required",
            "Explain why it belongs to this organization although others overlap.",
        )


def fingerprint(resources: Iterable[ProtectedResource]) -> str:
    """Identifies a list of resources regardless of its order: SHA-256 in hexadecimal."""
    keys = sorted(f"{one.pk} {one.kind} {one.value}" for one in resources)
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()


def _not_verified(resource: ProtectedResource, code: str, why: str) -> Invalid:
    message = f"{shown(resource.name)} was not verified. {why}"
    return Invalid.at("value", code, message)


# Settings


@transaction.atomic
def change_settings(
    *, organization: Organization, actor: User | Actor | None = None, reason: str = ""
) -> None:
    """Save `organization`, whose settings were changed. `reason`: for its log.

    An organization that is not active is closed to its members, but its requests continue.
    """
    before = Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    # Before the save: a new slug locks the row's key, and a transaction that holds the log may need
    # that key to commit a row that refers to the organization.
    lock_log(organization.pk)
    # Only these: staff may have suspended it since this row was read.
    organization.save(update_fields=SETTINGS)
    changed = changes(before, organization, SETTINGS)
    if changed:
        about = EventData(changed=changed)
        if reason:
            about["reason"] = reason
        record_change(organization.pk, EventType.ORGANIZATION_CHANGED, actor=actor, data=about)
    if "is_active" in changed:
        for user_id in Membership.objects.filter(organization=organization).values_list(
            "user_id", flat=True
        ):
            access_changed_on_commit(user_id)
