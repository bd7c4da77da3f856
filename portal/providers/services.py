"""All changes to an organization's right to use a provider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import Any

from django.db import transaction
from django.utils import timezone

from dots_client.credentials import cuid_from_certificate
from portal.accounts.models import User
from portal.core import secrets
from portal.core.broadcast import wake_on_commit
from portal.core.errors import Conflict, FieldError, Invalid
from portal.core.json_value import stored_json, write_json
from portal.core.targets import IPNetwork, TargetError, parse_prefix
from portal.core.wording.targets import field_error
from portal.events.data import Changed, EventData
from portal.events.log import lock_log
from portal.events.models import EventType
from portal.organizations.models import Organization
from portal.organizations.recording import record_change
from portal.providers.models import Provider, Subscription
from portal.providers.validation import checked_identity

MAX_LIMITS = 64
"""Maximum prefixes in the limit of one subscription."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A client certificate with its key, both PEM. Only kept in memory."""

    certificate_chain: bytes
    private_key: bytes

    def __repr__(self) -> str:
        return "Identity(…)"


@transaction.atomic
def subscribe(
    *,
    organization: Organization,
    provider: Provider,
    identity: Identity,
    priority: int,
    enabled: bool = True,
    actor: User | None = None,
) -> Subscription:
    """Let the organization use the provider under this identity."""
    identity = usable(identity)
    cuid = unused_cuid(provider, identity)
    taken = Subscription.objects.filter(organization=organization)
    if taken.filter(provider=provider).exists():
        raise Conflict(f"{organization.name} already has a subscription to {provider.name}.")
    if taken.filter(priority=priority).exists():
        message = f"Another provider of {organization.name} has priority {priority} already."
        raise Invalid(message, errors=[FieldError("priority", "priority-exists", message)])
    subscription = Subscription.objects.create(
        organization=organization,
        provider=provider,
        priority=priority,
        enabled=enabled,
        cuid=cuid,
        certificate_chain=identity.certificate_chain.decode("ascii"),
        private_key=secrets.encrypt(identity.private_key),
    )
    _record(EventType.SUBSCRIPTION_ADDED, subscription, actor)
    wake_on_commit(subscription.pk)
    return subscription


def replace_certificate(
    *, subscription: Subscription, identity: Identity, actor: User | None = None
) -> None:
    """Replace a renewed certificate. The cuid stays, so that running mitigations stay ours."""
    identity = usable(identity)
    with transaction.atomic():
        _record(EventType.SUBSCRIPTION_CERTIFICATE_REPLACED, subscription, actor)
        Subscription.objects.filter(pk=subscription.pk).update(
            certificate_chain=identity.certificate_chain.decode("ascii"),
            private_key=secrets.encrypt(identity.private_key),
            changed_at=timezone.now(),
        )
        wake_on_commit(subscription.pk)


@transaction.atomic
def set_order(
    *, subscription: Subscription, priority: int, enabled: bool, actor: User | None = None
) -> None:
    """Set the provider's place in the order, and whether it is asked at all."""
    _change(subscription, actor, priority=priority, enabled=enabled)
    wake_on_commit(subscription.pk)


@transaction.atomic
def limit(
    *, subscription: Subscription, prefixes: Sequence[IPNetwork], actor: User | None = None
) -> None:
    """Let the provider protect only these prefixes; none: everything the organization may.

    `prefixes`: from `limits_of`. Running mitigations do not change: the limit applies to requests
    from now on.
    """
    _change(subscription, actor, limited_to=tuple(prefixes))


def _change(subscription: Subscription, actor: User | None, **values: Any) -> None:
    lock_log(subscription.organization_id)
    before = Subscription.objects.select_for_update(no_key=True).get(pk=subscription.pk)
    changed: dict[str, Changed] = {
        name: {"from": stored, "to": wanted}
        for name, value in values.items()
        if (stored := stored_json(before, name)) != (wanted := write_json(value))
    }
    if changed:
        _record(EventType.SUBSCRIPTION_CHANGED, subscription, actor, changed)
    Subscription.objects.filter(pk=subscription.pk).update(**values, changed_at=timezone.now())


def _record(
    type: EventType,
    subscription: Subscription,
    actor: User | None,
    changed: dict[str, Changed] | None = None,
) -> None:
    """Record a change. Locks the log, so it must come before the lock of the subscription's row."""
    data = EventData(subscription=str(subscription.pk), provider=subscription.provider.short_name)
    if changed:
        data["changed"] = changed
    record_change(subscription.organization_id, type, actor=actor, data=data)


def limits_of(texts: Sequence[str]) -> tuple[IPNetwork, ...]:
    """The prefixes that staff typed: sorted, without those inside another one.

    Raises Invalid with every invalid prefix.
    """
    if len(texts) > MAX_LIMITS:
        message = f"{len(texts):,} prefixes given: at most {MAX_LIMITS} are allowed."
        raise Invalid(message, errors=[FieldError("limited_to", "too-many", message)])
    networks: list[IPNetwork] = []
    errors: list[FieldError] = []
    for index, text in enumerate(texts):
        try:
            networks.append(parse_prefix(text))
        except TargetError as error:
            errors.append(field_error(f"limited_to.{index}", error))
    if errors:
        raise Invalid(errors[0].message, errors=errors)
    v4 = [one for one in networks if isinstance(one, IPv4Network)]
    v6 = [one for one in networks if isinstance(one, IPv6Network)]
    return (*collapse_addresses(v4), *collapse_addresses(v6))


def private_key_of(subscription: Subscription) -> bytes:
    """The decrypted key as PEM, only for the signal worker. Raises SecretUnreadable."""
    return secrets.decrypt(subscription.private_key)


def unused_cuid(provider: Provider, identity: Identity) -> str:
    """The cuid of an identity in normal form; Invalid if the provider knows another
    client by it.
    """
    cuid = cuid_from_certificate(identity.certificate_chain)
    if Subscription.objects.filter(provider=provider, cuid=cuid).exists():
        message = f"This certificate is already used with {provider.name}."
        raise Invalid(message, errors=[FieldError("certificate_chain", "identity-exists", message)])
    return cuid


def usable(identity: Identity) -> Identity:
    """The identity in normal form; Invalid if no session is possible with it."""
    chain, key = checked_identity(
        identity.certificate_chain, identity.private_key, now=timezone.now()
    )
    return Identity(certificate_chain=chain, private_key=key)
