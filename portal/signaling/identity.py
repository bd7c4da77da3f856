"""What a session is opened with: the subscription's rows in the client's terms."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from dots_client import Credentials, Server
from portal.core import secrets
from portal.mitigations.models import Mitigation
from portal.mitigations.states import CONFIRMED, Status
from portal.providers.models import Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One client identity at one provider."""

    server: Server
    credentials: Credentials
    cuid: str
    provider: str


def load_identity(subscription_id: UUID) -> Identity:
    """Read anew for every attempt, so that a mended certificate is used at once."""
    subscription = Subscription.objects.select_related("provider").get(pk=subscription_id)
    provider = subscription.provider
    return Identity(
        server=Server(
            name=provider.server_name,
            host=provider.host,
            port=provider.port,
            transports=tuple(provider.transports),
            requires_alpn=provider.requires_alpn,
        ),
        credentials=Credentials(
            certificate_chain=subscription.certificate_chain.encode(),
            private_key=secrets.decrypt(bytes(subscription.private_key)),
            trust_anchors=provider.trust_anchors.encode(),
        ),
        cuid=subscription.cuid,
        provider=provider.short_name,
    )


@transaction.atomic
def replace_cuid(subscription_id: UUID, *, collided: str) -> bool:
    """A new cuid after a collision (SC-030), unless mitigations are active under the old one (SC-028)."""
    subscription = Subscription.objects.select_for_update().get(pk=subscription_id)
    is_in_use = Mitigation.objects.filter(
        subscription=subscription, status__in=(*CONFIRMED, Status.TERMINATING)
    ).exists()
    if is_in_use or subscription.cuid != collided:
        return False
    subscription.cuid = str(uuid.uuid4())
    subscription.save(update_fields=["cuid"])
    return True
