"""Rename a resource, and remove one that nothing needs."""

from __future__ import annotations

from typing import Final

from django.db import transaction

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict, FieldError, Invalid
from portal.core.formatting import listed
from portal.core.security_log import SecurityEvent, record
from portal.core.targets import shown
from portal.events.log import lock_log
from portal.events.models import EventType
from portal.organizations.access import require_current_role
from portal.organizations.models import Organization, ProtectedResource, Role
from portal.organizations.services import record_resource
from portal.ownership.uses import Uses, uses_of

MAX_NAMED: Final = 3
"""Requests and plans that a refusal names."""


def lock_resource(resource: ProtectedResource) -> ProtectedResource:
    """The row as it is now, under the locks of its organization; DoesNotExist if it was removed."""
    Organization.objects.select_for_update(no_key=True).get(pk=resource.organization_id)
    lock_log(resource.organization_id)
    return (
        ProtectedResource.objects.select_for_update(of=("self",))
        .select_related("organization")
        .get(pk=resource.pk)
    )


@transaction.atomic
def rename_resource(*, resource: ProtectedResource, actor: User, name: str) -> ProtectedResource:
    """Give it another name. Requests keep the name that they were made with."""
    locked = lock_resource(resource)
    require_current_role(locked.organization_id, Actor.person(actor))
    former, name = locked.name, name.strip()
    if name == former:
        return locked
    own = ProtectedResource.objects.filter(organization=locked.organization_id, name=name)
    if own.exists():
        message = (
            f"{locked.organization} already has a resource called {shown(name)}. "
            "Choose another name."
        )
        raise Invalid(
            "Nothing was saved. Correct the fields listed in errors.",
            errors=[FieldError("name", "name-exists", message)],
        )
    locked.name = name
    locked.save(update_fields=["name"])
    record_resource(EventType.RESOURCE_RENAMED, locked, actor, {"former_name": former})
    return locked


@transaction.atomic
def remove_resource(
    *, resource: ProtectedResource, actor: User, address: str = "", is_by_staff: bool = False
) -> None:
    """Remove it. Conflict while a live request or a plan needs it.

    Ended requests keep their targets and their name.
    """
    locked = lock_resource(resource)
    if not is_by_staff:
        require_current_role(locked.organization_id, Actor.person(actor), Role.ADMIN)
    if uses := uses_of(locked):
        raise Conflict(
            f"{shown(locked.name)} was not removed. {needed_by(uses)}", code="resource-in-use"
        )
    record_resource(EventType.RESOURCE_REMOVED, locked, actor)
    record(
        SecurityEvent.RESOURCE_REMOVED,
        actor=actor.username,
        organization=locked.organization.slug,
        resource=locked.name,
        value=locked.value,
        address=address,
    )
    locked.delete()


def needed_by(uses: Uses) -> str:
    """What needs a resource, and how to end that."""
    sentences = []
    if uses.requests:
        names = [f"“{shown(one.name)}”" for one in uses.requests]
        verb = "needs" if len(names) == 1 else "need"
        sentences.append(
            f"The live request{'' if len(names) == 1 else 's'} {_few(names)} {verb} it: "
            "terminate first."
        )
    if uses.plans:
        names = [f"“{shown(one.name)}”" for one in uses.plans]
        verb = "names" if len(names) == 1 else "name"
        sentences.append(
            f"The standby plan{'' if len(names) == 1 else 's'} {_few(names)} {verb} it: "
            "edit or remove the plan first."
        )
    return " ".join(sentences)


def _few(names: list[str]) -> str:
    more = len(names) - MAX_NAMED
    return listed([*names[:MAX_NAMED], f"{more} more"] if more > 0 else names)
