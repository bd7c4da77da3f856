"""The contents of the pages: all providers in their order, and one with its key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from django.db.models import QuerySet
from django.urls import reverse

from portal.connections import services
from portal.connections.queries import last_test, result_of
from portal.connections.steps import ConnectionResult
from portal.core.formatting import plural
from portal.organizations.models import Organization, Role
from portal.providers import queries
from portal.providers.certificate_validity import Validity, validities
from portal.providers.models import ClientKey, Provider, SessionState, Subscription
from portal.providers.wording import no_session_because
from portal.standby.queries import last_passed_drill
from portal.web.connections.forms import UploadForm
from portal.web.frame import Frame
from portal.web.settings.navigation import SettingsPage
from portal.web.settings.removal import RemovalPage
from portal.wording import Badge
from portal.wording.connection_tests import StepLine, headline, lines
from portal.wording.connections import (
    NOT_ASKED,
    NOT_USED,
    STATES,
    WAITS,
    certificate_words,
    is_ending,
)
from portal.wording.from_rows.connections import probe_facts

ORDER: Final = "The first one is asked first; the next one, if that does not help."
NONE_ASKED: Final = "Requests cannot be sent until one is connected."
UNREADABLE_CERTIFICATE: Final = "Its certificate cannot be read."


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRow:
    """One provider of the list."""

    name: str
    phone: str
    url: str
    move: str
    badge: Badge
    why: str
    certificate: str
    is_warned: bool
    is_first: bool
    is_last: bool
    test: str
    "the result of the last test"

    @property
    def is_only(self) -> bool:
        return self.is_first and self.is_last


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherRow:
    """A provider that the portal knows and the organization does not use."""

    name: str
    url: str
    has_key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvidersPage(SettingsPage):
    """The connected providers in their order, and the others."""

    template: ClassVar = "connections/providers.html"
    tab: ClassVar = "providers"

    headline: str
    lead: str
    is_admin: bool
    rows: Sequence[ProviderRow]
    others: Sequence[OtherRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateLine:
    """One certificate of the chain in use."""

    words: str
    is_warned: bool
    "it ends soon, or has ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """The key that waits."""

    made_at: datetime
    request: str
    "the CSR; empty: it came with its certificate"
    download: str
    is_signed: bool
    certificate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestShown:
    """The last test of the connection."""

    headline: str
    is_running: bool
    has_passed: bool
    steps: Sequence[StepLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the forms of the page of one provider are sent."""

    make_key: str
    discard_key: str
    certificate: str
    files: str
    pkcs12: str
    use: str
    test: str
    drill: str
    asked: str
    disconnect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderPage(SettingsPage):
    """One provider: its connection, its certificate, and the forms to connect or renew it."""

    template: ClassVar = "connections/provider.html"
    tab: ClassVar = "providers"
    parts: ClassVar = {"test": "connections/_test.html"}

    provider: Provider
    badge: Badge
    why: str
    is_admin: bool
    is_connected: bool
    is_asked: bool
    certificates: Sequence[CertificateLine]
    key: KeyRow | None
    to: Addresses
    last_test: TestShown | None
    has_drilled: bool
    "a drill has passed"
    form: UploadForm
    needs_code: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DisconnectPage(RemovalPage):
    """The question before a provider is disconnected, or why it cannot be."""

    tab: ClassVar = "providers"


def providers_page(start: Frame) -> ProvidersPage:
    connected = list(_with_certificates(start.organization))
    known = Provider.objects.exclude(pk__in=[one.provider_id for one in connected])
    waiting = set(
        ClientKey.objects.filter(organization=start.organization).values_list(
            "provider_id", flat=True
        )
    )
    asked = sum(one.enabled for one in connected)
    return ProvidersPage(
        frame=start,
        title="Providers",
        headline=f"Requests ask {plural(asked, 'provider')}." if asked else "No provider to ask.",
        lead=ORDER if asked > 1 else "" if asked else NONE_ASKED,
        is_admin=start.membership.allows(Role.ADMIN),
        rows=[_row(start, one, at, len(connected)) for at, one in enumerate(connected)],
        others=[
            OtherRow(name=one.name, url=_url(start, one.pk), has_key=one.pk in waiting)
            for one in known
        ],
    )


def provider_page(
    start: Frame, provider: Provider, *, form: UploadForm | None = None, needs_code: bool = False
) -> ProviderPage:
    own = _with_certificates(start.organization).filter(provider=provider).first()
    waiting = services.waiting_key(start.organization, provider)
    chain = validities(own.certificate_chain) if own else ()
    return ProviderPage(
        frame=start,
        title=provider.name,
        provider=provider,
        badge=_badge(own) if own else WAITS if waiting else NOT_USED,
        why=_why(own) if own else "",
        is_admin=start.membership.allows(Role.ADMIN),
        is_connected=own is not None,
        is_asked=own is not None and own.enabled,
        certificates=[
            CertificateLine(
                words=certificate_words(one, start.now), is_warned=is_ending(one, start.now)
            )
            for one in chain
        ],
        key=_key(start, waiting) if waiting else None,
        to=_addresses(start, provider),
        last_test=_last_test(own, start.now) if own else None,
        has_drilled=last_passed_drill(start.organization) is not None,
        form=form or UploadForm(),
        needs_code=needs_code,
    )


def disconnect_page(start: Frame, subscription: Subscription) -> DisconnectPage:
    name = subscription.provider.short_name
    needed_by = services.needed_by(subscription)
    return DisconnectPage(
        frame=start,
        title=f"{name} cannot be disconnected now" if needed_by else f"Disconnect {name}?",
        points=[
            "The portal forgets its key and certificate, and requests do not ask it any more.",
            "Ended requests stay in the history.",
            "To connect it again, you need a certificate again.",
        ],
        needed_by=needed_by,
        button="Disconnect",
        sending="Disconnecting",
        back=_url(start, subscription.provider_id),
    )


def _with_certificates(organization: Organization) -> QuerySet[Subscription]:
    return queries.connected(organization).defer(None).defer("private_key")


def _row(start: Frame, subscription: Subscription, at: int, count: int) -> ProviderRow:
    chain = validities(subscription.certificate_chain)
    tested = last_test(subscription)
    own: Validity | None = min(chain, key=lambda one: one.ends) if chain else None
    return ProviderRow(
        name=subscription.provider.name,
        phone=subscription.provider.phone,
        url=_url(start, subscription.provider_id),
        move=_url(start, subscription.provider_id, "move"),
        badge=_badge(subscription),
        why=_why(subscription),
        certificate=(
            f"Certificate {certificate_words(own, start.now)}" if own else UNREADABLE_CERTIFICATE
        ),
        is_warned=own is None or is_ending(own, start.now),
        is_first=at == 0,
        is_last=at == count - 1,
        test=headline(probe_facts(tested, start.now), start.now) if tested else "",
    )


def _badge(subscription: Subscription) -> Badge:
    if not subscription.enabled:
        return NOT_ASKED
    return STATES[SessionState(subscription.session_state)]


def _why(subscription: Subscription) -> str:
    if not subscription.enabled:
        return "New requests do not ask it."
    if subscription.session_state == SessionState.UP:
        return ""
    return no_session_because(subscription.session_fault, subscription.session_detail)


def _last_test(subscription: Subscription, now: datetime) -> TestShown | None:
    last = last_test(subscription)
    if last is None:
        return None
    return TestShown(
        headline=headline(probe_facts(last, now), now),
        is_running=not result_of(last, now),
        has_passed=last.result == ConnectionResult.PASSED,
        steps=lines(last.steps),
    )


def _key(start: Frame, waiting: ClientKey) -> KeyRow:
    own = validities(waiting.certificate_chain)[:1]
    return KeyRow(
        made_at=waiting.made_at,
        request=waiting.signing_request,
        download=_url(start, waiting.provider_id, "signing-request"),
        is_signed=waiting.is_signed,
        certificate=certificate_words(own[0], start.now) if own else "",
    )


def _addresses(start: Frame, provider: Provider) -> Addresses:
    def to(name: str) -> str:
        return _url(start, provider.pk, name)

    return Addresses(
        make_key=to("make-key"),
        discard_key=to("discard-key"),
        certificate=to("certificate"),
        files=to("files"),
        pkcs12=to("pkcs12"),
        use=to("use"),
        test=to("test"),
        drill=reverse("readiness:drills", args=[start.organization.slug]),
        asked=to("asked"),
        disconnect=to("disconnect"),
    )


def _url(start: Frame, provider_id: object, name: str = "provider") -> str:
    return reverse(f"connections:{name}", args=[start.organization.slug, provider_id])
