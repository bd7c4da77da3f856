"""The settings a session is opened with: the subscription's rows in the client's terms."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import transaction

from dots_client import Credentials, Server
from portal.mitigations.models import Mitigation
from portal.mitigations.states import CONFIRMED, Status
from portal.providers.models import Subscription
from portal.providers.services import private_key_of


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
"""What `load_connection_settings` reads."""


def fingerprints(subscription_ids: Collection[UUID]) -> dict[UUID, int]:
    """For each subscription a number that is another one once its settings changed. It means
    nothing outside this process.
    """
    rows = Subscription.objects.filter(pk__in=subscription_ids).values_list("pk", *_COLUMNS)
    return {pk: hash(tuple(map(_comparable, columns))) for pk, *columns in rows}


def _comparable(value: object) -> object:
    # PostgreSQL's driver returns bytes as a view that cannot be hashed.
    return bytes(value) if isinstance(value, memoryview) else value


def load_connection_settings(subscription_id: UUID) -> ConnectionSettings:
    """The settings in the rows now. Raises SecretUnreadable."""
    # First, so that a change between the two reads is found later.
    fingerprint = fingerprints([subscription_id]).get(subscription_id, 0)
    subscription = Subscription.objects.select_related("provider").get(pk=subscription_id)
    provider = subscription.provider
    return ConnectionSettings(
        server=Server(
            name=provider.server_name,
            host=provider.host,
            port=provider.port,
            transports=tuple(one.value for one in provider.transports),
            requires_alpn=provider.requires_alpn,
        ),
        credentials=Credentials(
            certificate_chain=subscription.certificate_chain.encode(),
            private_key=private_key_of(subscription),
            trust_anchors=provider.trust_anchors.encode(),
        ),
        cuid=subscription.cuid,
        organization_id=subscription.organization_id,
        fingerprint=fingerprint,
    )


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
