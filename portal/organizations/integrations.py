"""What the services of all integrations share. Admins change them, and every change is an entry of
the audit that holds no secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, TypeVar

from django.utils import timezone

from portal.accounts.actors import Actor
from portal.audit.recording import changed_fields, record_row
from portal.audit.verbs import Verb
from portal.core.errors import Conflict, Invalid, NotFound
from portal.core.typed_lines import checked_name
from portal.organizations.access import require_current_role
from portal.organizations.models import (
    MAX_INTEGRATION_NAME_LENGTH,
    Integration,
    Organization,
    Role,
)

PREVIOUS_SECRET_HOLDS: Final = timedelta(days=7)
"""How long the former secret works beside a new one, unless an admin ends it."""

AnyIntegration = TypeVar("AnyIntegration", bound=Integration)


def require_room(
    kind: type[Integration], organization: Organization, actor: Actor, *, most: int
) -> None:
    """An admin may add one more. Conflict if the organization has `most` of this kind."""
    require_current_role(organization.pk, actor, Role.ADMIN)
    if kind._default_manager.filter(organization=organization).count() >= most:
        raise Conflict(
            f"There are {most} {kind.word}s already. Remove one first.",
            code=f"too-many-{kind.word}s",
        )


def locked(integration: AnyIntegration, actor: Actor) -> AnyIntegration:
    """The row as it is now, for an admin who changes it. NotFound if it was removed."""
    require_current_role(integration.organization_id, actor, Role.ADMIN)
    # Its key stays free: what arrives or is delivered now refers to it.
    rows = type(integration)._default_manager.select_for_update(no_key=True)
    found = rows.filter(pk=integration.pk).first()
    if found is None:
        raise NotFound
    return found


def free_name(integration: Integration, typed: str) -> str:
    """The name as it is saved. Invalid if it is empty, too long or taken."""
    name = checked_name(typed, at_most=MAX_INTEGRATION_NAME_LENGTH)
    others = type(integration)._default_manager.exclude(pk=integration.pk)
    if others.filter(organization=integration.organization_id, name=name).exists():
        message = f"Another {integration.word} is called {name}."
        raise Invalid.at("name", "name-taken", message)
    return name


def save_changed(
    verb: Verb,
    integration: Integration,
    actor: Actor,
    *,
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> None:
    """Save it and record the fields that differ; nothing if none does."""
    former, current = changed_fields(before, after)
    if former or current:
        integration.save()
        record_row(verb, integration, actor, before=former, after=current)


def save_rotated(verb: Verb, integration: Integration, actor: Actor) -> None:
    """The caller has set a new secret; the former one works for `PREVIOUS_SECRET_HOLDS` more."""
    integration.previous_until = timezone.now() + PREVIOUS_SECRET_HOLDS
    integration.save()
    until = {"previous_until": integration.previous_until}
    record_row(verb, integration, actor, after=until)


def save_previous_ended(verb: Verb, integration: Integration, actor: Actor) -> None:
    """The caller has removed the former secret, if there was one."""
    if integration.previous_until is not None:
        integration.previous_until = None
        integration.save()
        record_row(verb, integration, actor)
