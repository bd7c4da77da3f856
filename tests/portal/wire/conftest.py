from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.wire.models import Direction, Topic
from portal.wire.services import Seen, record

SCOPE = "ietf-dots-signal-channel:mitigation-scope"
MITIGATE = "/.well-known/dots/mitigate/cuid=abc/mid="
Say = Callable[..., None]


def scope(**attributes: Any) -> str:
    entry = {name.replace("_", "-"): value for name, value in attributes.items()}
    return json.dumps({SCOPE: {"scope": [entry]}})


@pytest.fixture
def asked(
    dana: User, acme: Organization, shop: ProtectedResource, acme_northgate: Subscription
) -> MitigationRequest:
    submission = Submission(prefixes=("203.0.113.7/32",))
    return services.submit(organization=acme, actor=Actor.person(dana), submission=submission)


@pytest.fixture
def mitigation(asked: MitigationRequest) -> Mitigation:
    return asked.mitigations.get()


def put(mid: int, at: datetime | None = None, **changed: Any) -> Seen:
    """The request as it is sent."""
    fields: dict[str, Any] = {
        "at": at or timezone.now(),
        "direction": Direction.SENT,
        "topic": Topic.MITIGATION,
        "mid": mid,
        "kind": "NON",
        "code": "0.03",
        "method": "PUT",
        "path": f"{MITIGATE}{mid}",
        "body": scope(lifetime=3600, target_prefix=["203.0.113.7/32"]),
        "octets": b"\x58\x03\x00\x01 a body",
    }
    return Seen(**{**fields, **changed})


def created(mid: int, at: datetime | None = None, **changed: Any) -> Seen:
    fields = {"direction": Direction.RECEIVED, "code": "2.01", "body": scope(lifetime=3600)}
    return put(mid, at, **{**fields, **changed})


def heartbeat(at: datetime | None = None) -> Seen:
    return Seen(
        at=at or timezone.now(),
        direction=Direction.SENT,
        topic=Topic.HEARTBEAT,
        code="0.03",
        method="PUT",
        path="/.well-known/dots/hb",
    )


def keep(subscription: UUID, *seen: Seen) -> dict[UUID, int]:
    return record([(subscription, one) for one in seen])


def exchange(mitigation: Mitigation) -> None:
    """Sent a minute ago, accepted immediately, mitigating now."""
    now = timezone.now()
    keep(
        mitigation.subscription_id,
        put(mitigation.mid, now - timedelta(seconds=60)),
        created(mitigation.mid, now - timedelta(seconds=59)),
        created(
            mitigation.mid,
            now - timedelta(seconds=1),
            code="2.05",
            method="GET",
            body=scope(status="attack-successfully-mitigated", bps_dropped="388110272"),
        ),
    )
