"""A client that repeats a call with the same `Idempotency-Key` gets the first result instead of a
second one.

A key belongs to one sender in one organization, and separately for each kind of result. It is kept
for a week.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import DateTimeField, UUIDField
from django.utils import timezone

from portal.accounts.actors import Actor, ActorKind
from portal.core.errors import FieldError, IdempotencyKeyReused, Invalid
from portal.organizations.models import MAX_KEY_LENGTH, IdempotencyKey, Organization, ResultKind

KEY_RETENTION: Final = timedelta(days=7)
_PREVIOUS_KEYS: Final = {
    ResultKind.REQUEST: """SELECT digest, request_id FROM mitigations_idempotencykey
        WHERE organization_id = %s AND user_id = %s AND key = %s AND created_at > %s""",
    ResultKind.RESOURCE: """SELECT digest, resource_id FROM organizations_resourcekey
        WHERE organization_id = %s AND user_id = %s AND key = %s AND created_at > %s""",
}
"""Tables without a model, in which the previous release saves keys."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a sender, which may repeat an earlier one."""

    identity: dict[str, Any]
    "the unique columns of the key; empty without a key"
    digest: str
    first_result: UUID | None
    "what the first call with this key and content created"

    def save_result(self, result: UUID) -> None:
        """Return `result` to later calls with the same key and content."""
        if self.identity:
            # The key of a deleted result stays.
            IdempotencyKey.objects.update_or_create(
                **self.identity,
                defaults={
                    "digest": self.digest,
                    "result_id": result,
                    "created_at": timezone.now(),
                },
            )


def begin(
    organization: Organization, actor: Actor, kind: ResultKind, key: str, content: Any
) -> Call:
    """Look for an earlier call with this key. Needs a transaction, and locks the organization's row
    until it ends.

    `key`: at most MAX_KEY_LENGTH printable characters; empty for a call that cannot be repeated.
    `content`: JSON types, and types that `str` identifies. Raises Invalid for an invalid key, and
    IdempotencyKeyReused if the earlier call had different content.
    """
    if len(key) > MAX_KEY_LENGTH or not key.isprintable():
        message = f"The idempotency key must be at most {MAX_KEY_LENGTH} printable characters."
        raise Invalid(message, errors=[FieldError("Idempotency-Key", "not-a-key", message)])
    if not key:
        return Call({}, "", None)
    # The second of two equal calls waits here until the first one commits.
    Organization.objects.select_for_update(no_key=True).values_list("pk").get(pk=organization.pk)
    text = json.dumps(content, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()
    identity = {
        "organization": organization,
        "sender": f"{actor.kind}:{actor.id}",
        "result_kind": kind,
        "key": key,
    }
    own = IdempotencyKey.objects.filter(**identity)
    earlier = own.values_list("digest", "result_id").first()
    if earlier is None and actor.kind == ActorKind.PERSON:
        earlier = _saved_by_previous_release(organization, actor, kind, key)
    if earlier is None:
        return Call(identity, digest, None)
    saved_digest, result = earlier
    if saved_digest != digest:
        raise IdempotencyKeyReused(f"This key was used for another {kind}. Use a new one.")
    return Call(identity, digest, result)


def _saved_by_previous_release(
    organization: Organization, person: Actor, kind: ResultKind, key: str
) -> tuple[str, UUID] | None:
    """The digest and result that a web process of the previous release saved after the tables were
    migrated, since `web` is replaced last. Delete this together with these tables.
    """
    sought = (
        UUIDField().get_db_prep_value(organization.pk, connection),
        UUIDField().get_db_prep_value(person.id, connection),
        key,
        DateTimeField().get_db_prep_value(timezone.now() - KEY_RETENTION, connection),
    )
    with connection.cursor() as cursor:
        cursor.execute(_PREVIOUS_KEYS[kind], sought)
        row = cursor.fetchone()
    return None if row is None else (row[0], UUID(str(row[1])))


def prune(*, now: datetime) -> int:
    """Delete keys that are too old to be used again; return how many."""
    deleted, _ = IdempotencyKey.objects.filter(created_at__lte=now - KEY_RETENTION).delete()
    return deleted
