"""Record an act, in the transaction that does it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar, Final, Protocol
from uuid import UUID

from django.utils import timezone

from portal.audit.models import MAX_ID, MAX_NAME, PORTAL_CHAIN, AuditEntry
from portal.audit.origin import Origin, current_origin
from portal.audit.verbs import Verb

MAX_TEXT: Final = 500
"""Characters of one value in `before` and `after`; the rest becomes an ellipsis."""
MAX_ITEMS: Final = 100
"""Items of one list or mapping there."""
MAX_EXACT: Final = 2**53 - 1
"""Larger numbers are saved as text: JSON readers round them (RFC 8785 section 3.2.2.3)."""
SECRET: Final = "(secret)"  # noqa: S105 (what is written instead of one)
SECRET_FIELDS: Final = frozenset(
    {
        "access_epoch",
        "code",
        "codes",
        "digest",
        "encrypted_key",
        "key",
        "password",
        "password1",
        "password2",
        "previous_digest",
        "private_key",
        "secret",
        "session_key",
        "token_key",
    }
)
"""Names of fields whose values are never recorded, only that they changed."""


class Source(Protocol):
    """Who acts: a portal.accounts.actors.Actor."""

    @property
    def kind(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def acting_reason(self) -> str: ...


class NamedRow(Protocol):
    """A row of an organization that a person named."""

    object_kind: ClassVar[str]
    """What it is in entries, such as "plan"."""

    @property
    def pk(self) -> Any: ...
    @property
    def organization_id(self) -> UUID: ...
    @property
    def name(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Portal:
    kind: str = "portal"
    id: str = ""
    name: str = ""
    acting_reason: str = ""


PORTAL: Final[Source] = _Portal()
"""The portal's own housekeeping."""


@dataclass(frozen=True, slots=True)
class Object:
    """What an act is about."""

    kind: str
    "such as `person`, `token` or `plan`"
    id: object = ""
    name: str = ""


def record_entry(
    verb: Verb,
    *,
    actor: Source | None,
    organization_id: UUID = PORTAL_CHAIN,
    about: Object | None = None,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    reason: str = "",
    is_by_staff: bool = False,
) -> AuditEntry:
    """Insert one entry. Call it in the transaction of the change.

    `actor` None: no one proved an identity, as at a refused sign-in; or, with `is_by_staff`, a
    person with a shell on the portal's machine. `before` and `after` hold only what changed, by
    field. Address, factor and token come from the current HTTP request. What is already an event
    that is an act (portal.events.acts) becomes an entry automatically: never record it here too.
    """
    [entry] = record_entries(
        verb,
        [organization_id],
        actor=actor,
        about=about,
        before=before,
        after=after,
        reason=reason,
        is_by_staff=is_by_staff,
    )
    return entry


def record_row(
    verb: Verb,
    row: NamedRow,
    actor: Source,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Insert one entry about the row, in the log of its organization."""
    record_entry(
        verb,
        actor=actor,
        organization_id=row.organization_id,
        about=Object(row.object_kind, row.pk, row.name),
        before=before,
        after=after,
    )


def record_entries(
    verb: Verb,
    organization_ids: Collection[UUID],
    *,
    actor: Source | None,
    about: Object | None = None,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    reason: str = "",
    is_by_staff: bool = False,
    origin: Origin | None = None,
) -> list[AuditEntry]:
    """The same entry for several organizations, with one statement.

    `origin`: instead of the current request's.
    """
    entries = [
        entry_row(
            str(verb.value),
            organization_id=one,
            at=timezone.now(),
            actor=actor,
            about=about,
            before=before,
            after=after,
            reason=reason,
            is_by_staff=is_by_staff,
            origin=current_origin() if origin is None else origin,
        )
        for one in organization_ids
    ]
    return AuditEntry.objects.bulk_create(entries)


def entry_row(
    verb: str,
    *,
    organization_id: UUID,
    at: datetime,
    actor: Source | None,
    about: Object | None,
    before: Mapping[str, object] | None,
    after: Mapping[str, object] | None,
    reason: str,
    is_by_staff: bool,
    origin: Origin,
    event_seq: int | None = None,
) -> AuditEntry:
    """An unsaved entry whose values fit their columns and hold no secret."""
    about = about or Object("")
    acting_reason = "" if actor is None else actor.acting_reason
    return AuditEntry(
        organization_id=organization_id,
        at=at,
        verb=verb,
        actor_kind="" if actor is None else str(actor.kind),
        actor_id="" if actor is None else text(actor.id, MAX_ID),
        actor_name="" if actor is None else text(actor.name, MAX_NAME),
        is_by_staff=is_by_staff or acting_reason != "",
        object_kind=about.kind,
        object_id=text(about.id, MAX_ID),
        object_name=text(about.name, MAX_NAME),
        before=_fields(before),
        after=_fields(after),
        reason=text(reason or acting_reason, MAX_TEXT),
        address=text(origin.address, 64),
        factor=text(origin.factor, 120),
        token=text(origin.token, 120),
        event_seq=event_seq,
    )


def changed_fields(
    before: Mapping[str, object], after: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, object]]:
    """The fields of each that the other one has with another value, or not at all."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    former = {name: before[name] for name in names if name in before}
    return former, {name: after[name] for name in names if name in after}


def text(value: object, most: int) -> str:
    """At most `most` characters, without what a database refuses: NUL and lone surrogates."""
    plain = str(value).replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def _fields(fields: Mapping[str, object] | None) -> dict[str, Any] | None:
    if fields is None:
        return None
    return {name: SECRET if name in SECRET_FIELDS else _plain(fields[name]) for name in fields}


def _plain(value: object) -> Any:
    """JSON without fractions, of bounded size."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, int) and abs(value) <= MAX_EXACT:
        return int(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        items = list(value.items())[:MAX_ITEMS]
        return _fields({text(name, MAX_NAME): one for name, one in items})
    if isinstance(value, list | tuple | set | frozenset):
        rows = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [_plain(one) for one in rows[:MAX_ITEMS]]
    return SECRET if isinstance(value, bytes | memoryview) else text(value, MAX_TEXT)
