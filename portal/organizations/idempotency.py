"""A client that repeats a call with the same `Idempotency-Key` gets the first result instead of a
second one.

A key belongs to one sender in one organization, and separately for each kind of result. It is kept
for a week.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import DateTimeField, UUIDField
from django.utils import timezone

from portal.accounts.actors import Actor, ActorKind
from portal.core.errors import IdempotencyKeyReused, Invalid
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

    def key_of(self, result: UUID, now: datetime) -> IdempotencyKey | None:
        """The unsaved key that returns `result` to later calls; None for a call without one."""
        if not self.identity:
            return None
        return IdempotencyKey(**self.identity, digest=self.digest, result_id=result, created_at=now)

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


def call_of(
    organization: Organization, actor: Actor, kind: ResultKind, key: str, content: Any
) -> Call:
    """The call alone, without a look for an earlier one.

    `key`: at most MAX_KEY_LENGTH printable characters; empty for a call that cannot be repeated.
    `content`: JSON types, and types that `str` identifies. Raises Invalid for an invalid key.
    """
    if len(key) > MAX_KEY_LENGTH or not key.isprintable():
        message = f"The idempotency key must be at most {MAX_KEY_LENGTH} printable characters."
        raise Invalid.at("Idempotency-Key", "not-a-key", message)
    if not key:
        return Call({}, "", None)
    text = json.dumps(content, sort_keys=True, default=str)
    identity = {
        "organization": organization,
        "sender": f"{actor.kind}:{actor.id}",
        "result_kind": kind,
        "key": key,
    }
    return Call(identity, hashlib.sha256(text.encode()).hexdigest(), None)


def begin(
    organization: Organization, actor: Actor, kind: ResultKind, key: str, content: Any
) -> Call:
    """Look for an earlier call with this key. Needs a transaction, and locks the organization's row
    until it ends.

    Raises what `call_of` raises, and IdempotencyKeyReused if the earlier call had different
    content.
    """
    call = call_of(organization, actor, kind, key, content)
    if key:
        # The second of two equal calls waits here until the first one commits.
        rows = Organization.objects.select_for_update(no_key=True)
        rows.values_list("pk").get(pk=organization.pk)
    return find(call, actor)


def find(call: Call, actor: Actor) -> Call:
    """The call with the result of an earlier one that has committed. A lock of the caller keeps
    others out. Raises IdempotencyKeyReused if the earlier call had different content.
    """
    if not call.identity:
        return call
    own = IdempotencyKey.objects.filter(**call.identity)
    earlier = own.values_list("digest", "result_id").first()
    if earlier is None and _may_be_of_previous_release(call, actor):
        earlier = _saved_by_previous_release(actor, **call.identity)
    if earlier is None:
        return call
    saved_digest, result = earlier
    if saved_digest != call.digest:
        kind = call.identity["result_kind"]
        raise IdempotencyKeyReused(f"This key was used for another {kind}. Use a new one.")
    return replace(call, first_result=result)


def is_saved(call: Call, actor: Actor) -> tuple[str, list[Any]]:
    """SQL, with its parameters, that is true if a key of this call is saved, whatever its content
    and age.
    """
    if not call.identity:
        return "false", []
    organization, key = call.identity["organization"].pk, call.identity["key"]
    kind = call.identity["result_kind"]
    sql = (
        f"EXISTS (SELECT 1 FROM {IdempotencyKey._meta.db_table} WHERE organization_id = %s"  # noqa: S608 (our own names)
        " AND sender = %s AND result_kind = %s AND key = %s)"
    )
    parameters = [organization, call.identity["sender"], kind, key]
    if _may_be_of_previous_release(call, actor):
        sql += f" OR EXISTS ({_PREVIOUS_KEYS[kind]})"
        oldest = timezone.now() - KEY_RETENTION
        parameters += [organization, UUID(actor.id), key, oldest]
    return sql, parameters


def _may_be_of_previous_release(call: Call, actor: Actor) -> bool:
    return actor.kind == ActorKind.PERSON and call.identity["result_kind"] in _PREVIOUS_KEYS


def _saved_by_previous_release(
    person: Actor, *, organization: Organization, result_kind: ResultKind, key: str, **_: Any
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
        cursor.execute(_PREVIOUS_KEYS[result_kind], sought)
        row = cursor.fetchone()
    return None if row is None else (row[0], UUID(str(row[1])))


def prune(*, now: datetime) -> int:
    """Delete keys that are too old to be used again; return how many."""
    deleted, _ = IdempotencyKey.objects.filter(created_at__lte=now - KEY_RETENTION).delete()
    return deleted
