"""The settings a session is opened with: the subscription's rows in the client's terms."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from dots_client import Credentials, Server
from portal.core import secrets
from portal.core.errors import SecretUnreadable
from portal.mitigations.models import Mitigation
from portal.mitigations.states import CONFIRMED, Status
from portal.providers.models import ClientKey, Provider, Subscription
from portal.signaling.leasing.leases import SavedAt


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """A provider's server, our credentials and our cuid there."""

    server: Server
    credentials: Credentials
    cuid: str
    organization_id: UUID | None = None
    "for the log"
    fingerprint: int = 0
    "of the rows that they are from"
    saved_at: SavedAt | None = None
    "when staff had last saved these rows"


_COLUMNS: Final = (
    "provider__server_name",
    "provider__host",
    "provider__port",
    "provider__transports",
    "provider__requires_alpn",
    "provider__trust_anchors",
    "certificate_chain",
    "private_key",
    "cuid",
)
"""The columns that the settings are made of."""
_TRANSPORTS: Final = Provider._meta.get_field("transports")


def fingerprints(subscription_ids: Collection[UUID]) -> dict[UUID, int]:
    """For each subscription a number that is another one once its settings changed. It means
    nothing outside this process.
    """
    rows = Subscription.objects.filter(pk__in=subscription_ids).values_list("pk", *_COLUMNS)
    return {pk: _fingerprint(columns) for pk, *columns in rows}


def _fingerprint(columns: Iterable[object]) -> int:
    # PostgreSQL's driver returns bytes as a view that cannot be hashed.
    return hash(tuple(bytes(one) if isinstance(one, memoryview) else one for one in columns))


def load_connection_settings(subscription_id: UUID) -> ConnectionSettings:
    """The settings in the rows now. Raises SecretUnreadable and Subscription.DoesNotExist."""
    loaded = load_several([subscription_id]).get(subscription_id)
    if loaded is None:
        raise Subscription.DoesNotExist
    if isinstance(loaded, SecretUnreadable):
        raise loaded
    return loaded


def load_several(
    subscription_ids: Collection[UUID],
) -> dict[UUID, ConnectionSettings | SecretUnreadable]:
    """The settings in the rows now, or why there are none."""
    # Without model instances: a worker that starts reads a thousand of these.
    columns = ("pk", "organization_id", "changed_at", "provider__changed_at", *_COLUMNS)
    rows = Subscription.objects.filter(pk__in=subscription_ids).values(*columns)
    return {row["pk"]: _settings_of(row) for row in rows}


def _settings_of(row: Mapping[str, Any]) -> ConnectionSettings | SecretUnreadable:
    try:
        private_key = secrets.decrypt(row["private_key"])
    except SecretUnreadable as error:
        return error
    transports = _TRANSPORTS.value_of(row["provider__transports"])
    return ConnectionSettings(
        server=Server(
            name=row["provider__server_name"],
            host=row["provider__host"],
            port=row["provider__port"],
            transports=tuple(one.value for one in transports),
            requires_alpn=row["provider__requires_alpn"],
        ),
        credentials=Credentials(
            certificate_chain=row["certificate_chain"].encode(),
            private_key=private_key,
            trust_anchors=row["provider__trust_anchors"].encode(),
        ),
        cuid=row["cuid"],
        organization_id=row["organization_id"],
        fingerprint=_fingerprint(row[name] for name in _COLUMNS),
        saved_at=(row["changed_at"], row["provider__changed_at"]),
    )


def settings_with_key(subscription_id: UUID, key_id: UUID | None) -> ConnectionSettings:
    """The settings in the rows now, with the key that waits if one is given and still waits. Raises
    SecretUnreadable.
    """
    settings = load_connection_settings(subscription_id)
    waiting = ClientKey.objects.filter(pk=key_id).first() if key_id else None
    if waiting is None:
        return settings
    credentials = replace(
        settings.credentials,
        certificate_chain=waiting.certificate_chain.encode(),
        private_key=secrets.decrypt(waiting.private_key),
    )
    return replace(settings, credentials=credentials)


def changed(old: ConnectionSettings, new: ConnectionSettings) -> tuple[str, ...]:
    """Which settings differ between `old` and `new`, by the names of `PendingChange`."""
    ours, theirs = old.credentials, new.credentials
    is_changed = {
        "address": (old.server.host, old.server.port) != (new.server.host, new.server.port),
        "server_name": old.server.name != new.server.name,
        "transports": (old.server.transports, old.server.requires_alpn)
        != (new.server.transports, new.server.requires_alpn),
        # A form may save different line endings than it received.
        "trust_anchors": ours.trust_anchors.split() != theirs.trust_anchors.split(),
        "certificate": (ours.certificate_chain.split(), ours.private_key.split())
        != (theirs.certificate_chain.split(), theirs.private_key.split()),
        "cuid": old.cuid != new.cuid,
    }
    return tuple(part for part, differs in is_changed.items() if differs)


@transaction.atomic
def replace_cuid(subscription_id: UUID, *, collided: str) -> bool:
    """A new cuid after a collision (SC-030), unless mitigations are active under the old one
    (SC-028).
    """
    subscription = Subscription.objects.select_for_update().get(pk=subscription_id)
    is_in_use = Mitigation.objects.filter(
        subscription=subscription, status__in=(*CONFIRMED, Status.TERMINATING)
    ).exists()
    if is_in_use or subscription.cuid != collided:
        return False
    subscription.cuid = str(uuid.uuid4())
    subscription.save(update_fields=["cuid"])
    return True
