"""The key that a provider will know an organization by: made in the portal, or uploaded."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.connections.signing_requests import new_key
from portal.core import secrets, throttle
from portal.core.errors import Conflict, Invalid, NotFound
from portal.core.formatting import date
from portal.core.throttle import Limit
from portal.events.data import EventData
from portal.events.models import EventType
from portal.organizations.access import require_current_role
from portal.organizations.models import Organization, Role
from portal.organizations.recording import record_change
from portal.providers import queries
from portal.providers import services as providers
from portal.providers.models import ClientKey, Provider, Subscription
from portal.providers.services import Identity

MAX_CONNECTED: Final = 20
"""Providers of one organization."""
KEYS: Final = Limit(
    name="client-keys",
    tries=30,
    window_s=3600,
    message="Your organization has made or uploaded 30 keys within an hour.",
)


def provider_for(organization: Organization, provider_id: UUID) -> Provider:
    """A provider that the portal knows; any organization may connect it."""
    found = Provider.objects.filter(pk=provider_id).first()
    if found is None:
        raise NotFound
    return found


def subscription_for(organization: Organization, subscription_id: UUID) -> Subscription:
    """The organization's own, connected; otherwise NotFound."""
    own = queries.connected(organization).filter(pk=subscription_id).first()
    if own is None:
        raise NotFound
    return own


def waiting_key(organization: Organization, provider: Provider) -> ClientKey | None:
    """The key that waits for its certificate, or to be tried."""
    return ClientKey.objects.filter(organization=organization, provider=provider).first()


def make_key(*, organization: Organization, provider: Provider, actor: Actor) -> ClientKey:
    """A new key with a request to sign it (CSR). It replaces one that waits; the one in use
    stays.
    """
    throttle.count(KEYS, str(organization.pk))
    made = new_key(organization)
    with transaction.atomic():
        require_current_role(organization.pk, actor, Role.ADMIN)
        _record(EventType.SUBSCRIPTION_KEY_MADE, organization, provider, actor)
        ClientKey.objects.filter(organization=organization, provider=provider).delete()
        return ClientKey.objects.create(
            organization=organization,
            provider=provider,
            private_key=secrets.encrypt(made.private_key),
            signing_request=made.signing_request.decode("ascii"),
            made_at=timezone.now(),
        )


def discard_key(*, organization: Organization, provider: Provider, actor: Actor) -> None:
    """Forget the key that waits. NotFound if none does."""
    with transaction.atomic():
        require_current_role(organization.pk, actor, Role.ADMIN)
        waiting = _require_waiting(organization, provider)
        _record(EventType.SUBSCRIPTION_KEY_DISCARDED, organization, provider, actor)
        waiting.delete()


def add_certificate(
    *, organization: Organization, provider: Provider, certificate: bytes, actor: Actor
) -> Subscription:
    """Take the certificate that the provider signed for the key made here, as `add_identity`."""
    waiting = waiting_key(organization, provider)
    if waiting is None or not waiting.signing_request:
        raise Conflict("Make a key first: no key waits for a certificate.", code="no-key-waits")
    identity = Identity(
        certificate_chain=certificate, private_key=secrets.decrypt(waiting.private_key)
    )
    try:
        identity = providers.usable(identity)
    except Invalid as error:
        raise _about_certificate(error, waiting) from error
    return add_identity(
        organization=organization, provider=provider, identity=identity, actor=actor
    )


def add_identity(
    *, organization: Organization, provider: Provider, identity: Identity, actor: Actor
) -> Subscription:
    """Connect the provider with this key and certificate.

    If it is connected already, they wait beside those in use until a test has shown that they work
    (`switch_identity`). Invalid if no session is possible with them.
    """
    throttle.count(KEYS, str(organization.pk))
    identity = providers.usable(identity)
    with transaction.atomic():
        require_current_role(organization.pk, actor, Role.ADMIN)
        connected = queries.connected(organization)
        own = connected.filter(provider=provider).first()
        ClientKey.objects.filter(organization=organization, provider=provider).delete()
        if own is not None:
            _refuse_same(own, identity)
            _record(EventType.SUBSCRIPTION_CERTIFICATE_ADDED, organization, provider, actor)
            ClientKey.objects.create(
                organization=organization,
                provider=provider,
                private_key=secrets.encrypt(identity.private_key),
                certificate_chain=identity.certificate_chain.decode("ascii"),
                made_at=timezone.now(),
            )
            return own
        if connected.count() >= MAX_CONNECTED:
            raise Conflict(
                f"{organization.name} has {MAX_CONNECTED} providers, which is the most. "
                "Disconnect one first.",
                code="too-many-providers",
            )
        return providers.subscribe(
            organization=organization,
            provider=provider,
            identity=identity,
            priority=providers.last_priority(organization),
            actor=actor,
        )


def switch_identity(*, subscription: Subscription, key_id: UUID | None, actor: Actor) -> None:
    """Use the key that waits from now on. A person may do so although no test has passed, such as
    when the one in use has expired.

    `key_id`: the one that a test has shown to work; None: whichever waits. The signal worker then
    opens a session with it beside the current one (ADR 27). NotFound if it does not wait any more.
    """
    with transaction.atomic():
        require_current_role(subscription.organization_id, actor, Role.ADMIN)
        waiting = _require_waiting(subscription.organization, subscription.provider)
        if not waiting.is_signed or (key_id is not None and waiting.pk != key_id):
            raise NotFound("No certificate waits to be used.")
        identity = Identity(
            certificate_chain=waiting.certificate_chain.encode(),
            private_key=secrets.decrypt(waiting.private_key),
        )
        providers.replace_certificate(subscription=subscription, identity=identity, actor=actor)
        waiting.delete()


def _require_waiting(organization: Organization, provider: Provider) -> ClientKey:
    own = ClientKey.objects.filter(organization=organization, provider=provider)
    waiting = own.select_for_update().first()
    if waiting is None:
        raise NotFound("No key waits.")
    return waiting


def _refuse_same(subscription: Subscription, identity: Identity) -> None:
    in_use = Subscription.objects.values_list("certificate_chain", flat=True)
    if in_use.get(pk=subscription.pk).split() == identity.certificate_chain.decode().split():
        message = "This certificate is in use already."
        raise Invalid.at("certificate_chain", "in-use", message)


def _about_certificate(error: Invalid, waiting: ClientKey) -> Invalid:
    """The same at the certificate: no person entered the key."""
    first = error.errors[0]
    message = first.message
    if first.code == "not-its-key":
        message = (
            f"This certificate is for another key than the one made here on "
            f"{date(waiting.made_at)}. The provider has to sign the request on this page."
        )
    return Invalid.at("certificate_chain", first.code, message)


def _record(type: EventType, organization: Organization, provider: Provider, actor: Actor) -> None:
    data = EventData(provider=provider.short_name)
    record_change(organization.pk, type, actor=actor, data=data)
