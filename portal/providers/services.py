"""All changes to an organization's right to use a provider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from dots_client.credentials import cuid_from_certificate
from portal.accounts.actors import Actor
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
MIN_FORMER_PRIORITY = 10_000
"""Of providers that the organization is disconnected from: no place in the order."""


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
    actor: User | Actor | None = None,
) -> Subscription:
    """Let the organization use the provider under this identity.

    If it was disconnected from it before, its row continues, with its history and its numbers.
    """
    identity = usable(identity)
    lock_log(organization.pk)
    own = Subscription.objects.filter(organization=organization)
    former = own.filter(provider=provider).first()
    if former is not None and not former.is_disconnected:
        raise Conflict(
            f"{organization.name} already has a subscription to {provider.name}.",
            code="already-connected",
        )
    cuid = unused_cuid(provider, identity, but=former)
    if own.filter(priority=priority).exclude(provider=provider).exists():
        message = f"Another provider of {organization.name} has priority {priority} already."
        raise Invalid.at("priority", "priority-exists", message)
    subscription = former or Subscription(organization=organization, provider=provider)
    subscription.priority, subscription.enabled, subscription.cuid = priority, enabled, cuid
    subscription.certificate_chain = identity.certificate_chain.decode("ascii")
    subscription.private_key = secrets.encrypt(identity.private_key)
    subscription.changed_at = timezone.now()
    _record(EventType.SUBSCRIPTION_ADDED, subscription, actor)
    subscription.save()
    wake_on_commit(subscription.pk)
    return subscription


@transaction.atomic
def end(*, subscription: Subscription, actor: User | Actor | None = None) -> None:
    """Forget the key and the certificate; the row stays for the history of requests.

    The caller has checked, under the log's lock, that nothing needs it.
    """
    _record(EventType.SUBSCRIPTION_REMOVED, subscription, actor)
    Subscription.objects.filter(pk=subscription.pk).update(
        enabled=False,
        certificate_chain="",
        private_key=secrets.encrypt(b""),
        limited_to=(),
        priority=_unused_priority(subscription.organization_id, MIN_FORMER_PRIORITY),
        changed_at=timezone.now(),
    )
    wake_on_commit(subscription.pk)


def last_priority(organization: Organization) -> int:
    """The place after all others."""
    return _unused_priority(organization.pk, 1)


def _unused_priority(organization_id: UUID, lowest: int) -> int:
    own = Subscription.objects.filter(organization=organization_id, priority__gte=lowest)
    if lowest < MIN_FORMER_PRIORITY:
        own = own.filter(priority__lt=MIN_FORMER_PRIORITY)
    highest: int | None = own.aggregate(highest=Max("priority"))["highest"]
    return lowest if highest is None else highest + 1


@transaction.atomic
def swap_order(
    *, subscription: Subscription, other: Subscription, actor: User | Actor | None = None
) -> None:
    """Let each have the other's place in the order."""
    own_place, other_place = subscription.priority, other.priority
    _change(other, actor, priority=_unused_priority(other.organization_id, MIN_FORMER_PRIORITY))
    _change(subscription, actor, priority=other_place)
    _change(other, actor, priority=own_place)


def replace_certificate(
    *, subscription: Subscription, identity: Identity, actor: User | Actor | None = None
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
    *, subscription: Subscription, priority: int, enabled: bool, actor: User | Actor | None = None
) -> None:
    """Set the provider's place in the order, and whether it is asked at all."""
    if enabled and subscription.is_disconnected:
        raise Conflict(
            f"{subscription.provider.name} is disconnected. Connect it first.", code="disconnected"
        )
    _change(subscription, actor, priority=priority, enabled=enabled)
    wake_on_commit(subscription.pk)


@transaction.atomic
def limit(
    *, subscription: Subscription, prefixes: Sequence[IPNetwork], actor: User | Actor | None = None
) -> None:
    """Let the provider protect only these prefixes; none: everything the organization may.

    `prefixes`: from `limits_of`. Running mitigations do not change: the limit applies to requests
    from now on.
    """
    _change(subscription, actor, limited_to=tuple(prefixes))


def _change(subscription: Subscription, actor: User | Actor | None, **values: Any) -> None:
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
    actor: User | Actor | None,
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
        raise Invalid.at("limited_to", "too-many", message)
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


def unused_cuid(provider: Provider, identity: Identity, *, but: Subscription | None = None) -> str:
    """The cuid of an identity in normal form; Invalid if the provider knows another
    client by it than `but`.
    """
    cuid = cuid_from_certificate(identity.certificate_chain)
    known = Subscription.objects.filter(provider=provider, cuid=cuid).first()
    if known is not None and known != but:
        message = f"This certificate is already used with {provider.name}."
        raise Invalid.at("certificate_chain", "identity-exists", message)
    return cuid


def usable(identity: Identity) -> Identity:
    """The identity in normal form; Invalid if no session is possible with it."""
    chain, key = checked_identity(
        identity.certificate_chain, identity.private_key, now=timezone.now()
    )
    return Identity(certificate_chain=chain, private_key=key)
