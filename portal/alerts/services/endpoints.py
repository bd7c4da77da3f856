"""Endpoints: added, changed and removed by admins. Every change is an entry of the audit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.alerts.endpoint_policy import MAX_PREFIXES, RANGES, EndpointPolicy
from portal.alerts.endpoint_settings import MAX_HOSTS, MAX_NOTICES, HostTarget
from portal.alerts.mapping import AlertSource
from portal.alerts.models import MAX_HEADER_LENGTH, AlertEndpoint
from portal.alerts.pollers import POLLERS
from portal.alerts.secret import digest_of, new_secret
from portal.alerts.services.incident_lock import lock_incidents
from portal.alerts.services.poll_settings import PollWish, end_secrets, poll_of, set_poll
from portal.audit.recording import record_row
from portal.audit.verbs import Verb
from portal.core import secrets
from portal.core.errors import Conflict, FieldError, Invalid
from portal.core.json_value import write_json
from portal.core.targets import TargetError, normal_host
from portal.organizations.integrations import (
    free_name,
    locked,
    require_room,
    save_changed,
    save_previous_ended,
    save_rotated,
)
from portal.organizations.models import Organization, ProtectedResource

MAX_ENDPOINTS: Final = 50
"""Endpoints of one organization."""
_HEADER: Final = re.compile(r"[A-Za-z0-9-]+")
_POLL_KEY: Final = "poll_key"
"""Recorded as saved or new, never itself."""
_RECORDED: Final = (
    "name", "source", "is_enabled", "default_resource_id", "hosts", "notices",
    "signature_header", "timestamp_header",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointWish:
    """What an endpoint should be, as typed; None: as it is."""

    name: str | None = None
    source: AlertSource | None = None
    is_enabled: bool | None = None
    default_resource: UUID | None = None
    has_default_resource: bool = False
    "whether `default_resource` is meant: None then means none"
    hosts: Mapping[str, UUID] | None = None
    notices: Iterable[str] | None = None
    signature_header: str | None = None
    timestamp_header: str | None = None
    poll: PollWish | None = None


@transaction.atomic
def add_endpoint(
    *, organization: Organization, actor: Actor, wish: EndpointWish
) -> tuple[AlertEndpoint, str]:
    """A new endpoint, and its secret, which nothing can show again; empty if the portal polls."""
    require_room(AlertEndpoint, organization, actor, most=MAX_ENDPOINTS)
    endpoint = AlertEndpoint(
        organization=organization, created_at=timezone.now(), created_by=actor.user
    )
    _apply(endpoint, wish)
    is_polled = AlertSource(endpoint.source) in POLLERS
    secret = "" if is_polled else _give_secret(endpoint)
    endpoint.save(force_insert=True)
    if is_polled or wish.poll is not None:
        set_poll(endpoint, wish.poll or PollWish())
    record_row(Verb.ALERT_ENDPOINT_ADDED, endpoint, actor, after=_recorded(endpoint))
    return endpoint, secret


@transaction.atomic
def change_endpoint(*, endpoint: AlertEndpoint, actor: Actor, wish: EndpointWish) -> AlertEndpoint:
    """Change settings; the source and the secret stay."""
    endpoint = locked(endpoint, actor)
    before = _recorded(endpoint)
    had_signature = bool(endpoint.signature_header)
    _apply(endpoint, wish)
    if endpoint.signature_header and not had_signature and endpoint.secret is None:
        message = "Add another endpoint for a detector that signs: this one's secret was not saved."
        raise Invalid.at("signature_header", "no-secret", message)
    if wish.poll is not None and set_poll(endpoint, wish.poll):
        end_secrets(endpoint)
    after = _recorded(endpoint)
    if wish.poll is not None and wish.poll.secret:
        after[_POLL_KEY] = "new"
    save_changed(Verb.ALERT_ENDPOINT_CHANGED, endpoint, actor, before=before, after=after)
    return endpoint


@transaction.atomic
def change_policy(
    *, endpoint: AlertEndpoint, actor: Actor, policy: EndpointPolicy
) -> AlertEndpoint:
    """What the portal may do automatically because of this detector."""
    endpoint = locked(endpoint, actor)
    errors = [
        FieldError(name, "out-of-range", f"From {least:,} to {most:,}.")
        for name, (least, most) in RANGES.items()
        if not least <= getattr(policy, name) <= most
    ]
    if len(policy.prefixes) > MAX_PREFIXES:
        errors.append(FieldError("prefixes", "too-many", f"At most {MAX_PREFIXES} prefixes."))
    if errors:
        raise Invalid(errors[0].message, errors=errors)
    before, after = write_json(endpoint.policy), write_json(policy)
    if before != after:
        endpoint.policy = policy
        endpoint.save(update_fields=["policy"])
        record_row(Verb.ALERT_ENDPOINT_CHANGED, endpoint, actor, before=before, after=after)
    return endpoint


@transaction.atomic
def rotate_secret(*, endpoint: AlertEndpoint, actor: Actor) -> tuple[AlertEndpoint, str]:
    """Give a new secret. The current one works for `PREVIOUS_SECRET_HOLDS` more; one that was
    replaced before ends now.
    """
    endpoint = locked(endpoint, actor)
    if poll_of(endpoint) is not None:
        raise Conflict("The portal polls this detector, so it has no secret.", code="polled")
    endpoint.previous_digest, endpoint.previous_secret = endpoint.digest, endpoint.secret
    secret = _give_secret(endpoint)
    save_rotated(Verb.ALERT_ENDPOINT_ROTATED, endpoint, actor)
    return endpoint, secret


@transaction.atomic
def end_previous_secret(*, endpoint: AlertEndpoint, actor: Actor) -> AlertEndpoint:
    """The former secret stops working at once. Repeating it is harmless."""
    endpoint = locked(endpoint, actor)
    endpoint.previous_digest, endpoint.previous_secret = "", None
    save_previous_ended(Verb.ALERT_ENDPOINT_PREVIOUS_ENDED, endpoint, actor)
    return endpoint


@transaction.atomic
def remove_endpoint(*, endpoint: AlertEndpoint, actor: Actor) -> None:
    """Remove it with all alerts that came through it."""
    lock_incidents(endpoint.organization_id)
    endpoint = locked(endpoint, actor)
    record_row(Verb.ALERT_ENDPOINT_REMOVED, endpoint, actor, before=_recorded(endpoint))
    endpoint.delete()


def _give_secret(endpoint: AlertEndpoint) -> str:
    secret = new_secret()
    endpoint.digest = digest_of(secret)
    endpoint.secret = secrets.encrypt(secret.encode()) if endpoint.signature_header else None
    return secret


def _apply(endpoint: AlertEndpoint, wish: EndpointWish) -> None:
    if wish.name is not None:
        endpoint.name = free_name(endpoint, wish.name)
    if wish.source is not None:
        endpoint.source = wish.source.value
    if wish.is_enabled is not None:
        endpoint.is_enabled = wish.is_enabled
    if wish.has_default_resource:
        resource = wish.default_resource
        endpoint.default_resource_id = (
            None if resource is None else _own(endpoint, resource, "default_resource")
        )
    if wish.hosts is not None:
        endpoint.hosts = _hosts(endpoint, wish.hosts)
    if wish.notices is not None:
        endpoint.notices = _notices(wish.notices)
    if wish.signature_header is not None:
        endpoint.signature_header = _header(wish.signature_header, "signature_header")
    if wish.timestamp_header is not None:
        endpoint.timestamp_header = _header(wish.timestamp_header, "timestamp_header")
    if endpoint.signature_header and (
        poll_of(endpoint) or (endpoint._state.adding and AlertSource(endpoint.source) in POLLERS)
    ):
        raise Invalid.at(
            "signature_header",
            "polled",
            "The portal polls this detector, which therefore signs no call.",
        )
    if endpoint.timestamp_header and not endpoint.signature_header:
        raise Invalid.at("timestamp_header", "no-signature", "Only a signature covers a timestamp.")


def _own(endpoint: AlertEndpoint, resource_id: UUID, field: str) -> UUID:
    own = ProtectedResource.objects.filter(
        organization=endpoint.organization_id, verified_at__isnull=False, pk=resource_id
    )
    if not own.exists():
        raise Invalid.at(field, "not-verified", "Choose one of your verified resources.")
    return resource_id


def _hosts(endpoint: AlertEndpoint, typed: Mapping[str, UUID]) -> tuple[HostTarget, ...]:
    if len(typed) > MAX_HOSTS:
        raise Invalid.at("hosts", "too-many", f"At most {MAX_HOSTS} names are allowed.")
    found: dict[str, HostTarget] = {}
    for host, resource_id in typed.items():
        field = f"hosts.{host[:60]}"
        try:
            name = normal_host(host)
        except TargetError:
            raise Invalid.at(field, "not-a-host", "This is no name of a server.") from None
        found[name] = HostTarget(name, _own(endpoint, resource_id, field))
    return tuple(found.values())


def _notices(typed: Iterable[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(one.strip() for one in typed if one.strip()))
    if len(found) > MAX_NOTICES or any(len(one) > 100 or not one.isprintable() for one in found):
        raise Invalid.at("notices", "bad-notices", f"At most {MAX_NOTICES} names of notices.")
    return found


def _header(typed: str, field: str) -> str:
    name = typed.strip()
    if name and (not _HEADER.fullmatch(name) or len(name) > MAX_HEADER_LENGTH):
        raise Invalid.at(
            field, "bad-header", "The name of a header has letters, digits and hyphens."
        )
    return name


def _recorded(endpoint: AlertEndpoint) -> dict[str, Any]:
    values = {name: getattr(endpoint, name) for name in _RECORDED}
    values["hosts"] = {one.host: str(one.resource) for one in endpoint.hosts}
    poll = poll_of(endpoint)
    values["poll_url"] = poll.url if poll else None
    values["poll_key_id"] = poll.key_id if poll else None
    values[_POLL_KEY] = "saved" if poll else None
    return values
