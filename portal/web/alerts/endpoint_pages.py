"""The contents of the pages: all endpoints, a new one, and one with its setup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from django.urls import reverse

from portal.alerts import queries
from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertEndpoint, AlertVerdict
from portal.alerts.services.try_poll import PollTest
from portal.alerts.setup import HIDDEN, SIGNING, SetupStep, setup_steps
from portal.core.formatting import plural
from portal.organizations.models import Organization, ProtectedResource
from portal.web.alerts.automatic_form import AutomaticForm
from portal.web.alerts.endpoint_form import EndpointForm
from portal.web.alerts.poll_part import (
    PollFields,
    PollPart,
    poll_fields,
    poll_part,
)
from portal.web.alerts.rejected_page import RejectedRow, newest_rejected
from portal.web.frame import Frame
from portal.web.integrations.pages import (
    IntegrationShown,
    IntegrationsPage,
    IntegrationState,
    KindChoice,
    KindsPage,
    TestOutcome,
    integration_shown,
)
from portal.web.options import Option, options
from portal.web.settings.navigation import SettingsPage
from portal.web.settings.removal import RemovalPage
from portal.wording import alerts as wording
from portal.wording.facts import Badge
from portal.wording.incidents import MODES


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointsPage(IntegrationsPage):
    """The endpoints."""

    tab: ClassVar = "alerts"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesPage(KindsPage):
    """The detectors to choose from."""

    tab: ClassVar = "alerts"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEndpointPage(SettingsPage):
    """The form for a new endpoint of one detector."""

    template: ClassVar = "alerts/new_endpoint.html"
    tab: ClassVar = "alerts"

    form: EndpointForm
    source: str
    defaults: Sequence[Option]
    resources: Sequence[str]
    error: str
    back: str
    can_sign: bool
    "the detector may sign its calls instead of sending the secret"
    poll_fields: PollFields | None
    "None: the detector calls"
    poll: PollPart | None = None
    "nothing is polled before the endpoint exists"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPage(SettingsPage):
    """One endpoint: its state, its setup, its settings, and what it could not read."""

    template: ClassVar = "alerts/endpoint.html"
    tab: ClassVar = "alerts"

    shown: IntegrationShown
    address: str
    steps: Sequence[SetupStep]
    form: EndpointForm
    can_sign: bool
    defaults: Sequence[Option]
    resources: Sequence[str]
    has_notices: bool
    automatic: AutomaticForm
    modes: Sequence[Option]
    automatic_says: str
    save_policy: str
    rejected: Sequence[RejectedRow]
    rejected_count: int
    poll_fields: PollFields | None
    "None: the portal cannot poll such a detector"
    poll: PollPart | None
    "None: the detector calls"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveEndpointPage(RemovalPage):
    """The question before an endpoint is removed."""

    tab: ClassVar = "alerts"


def verified_resources(organization: Organization) -> list[ProtectedResource]:
    """What alerts can be about, by name."""
    own = ProtectedResource.objects.filter(organization=organization, verified_at__isnull=False)
    return list(own.order_by("name"))


def endpoints_page(start: Frame) -> EndpointsPage:
    rows = [_state(start, one) for one in queries.endpoints(start.organization).order_by("name")]
    return EndpointsPage(
        frame=start,
        title="Alerts",
        headline=f"{plural(len(rows), 'endpoint')} for detectors." if rows else "No detector yet.",
        lead="Each detector sends its alerts to its own address, with its own secret.",
        rows=rows,
        add="Add an endpoint",
        new=reverse("alerts:new-endpoint", args=[start.organization.slug]),
    )


def sources_page(start: Frame) -> SourcesPage:
    new = reverse("alerts:new-endpoint", args=[start.organization.slug])
    return SourcesPage(
        frame=start,
        title="New endpoint",
        headline="Add an endpoint",
        lead="Choose the detector that reports attacks.",
        kinds=[
            KindChoice(name=words, url=f"{new}?source={one.value}")
            for one, words in wording.SOURCES.items()
        ],
        back=reverse("alerts:endpoints", args=[start.organization.slug]),
    )


def new_endpoint_page(start: Frame, form: EndpointForm, *, error: str = "") -> NewEndpointPage:
    known, source = verified_resources(start.organization), AlertSource(form.source)
    return NewEndpointPage(
        frame=start,
        title=f"New endpoint: {wording.source(source)}",
        form=form,
        source=wording.source(source),
        can_sign=source in SIGNING,
        poll_fields=poll_fields(source),
        defaults=_defaults(known, form),
        resources=[one.name for one in known],
        error=error,
        back=reverse("alerts:endpoints", args=[start.organization.slug]),
    )


def endpoint_page(
    start: Frame,
    endpoint: AlertEndpoint,
    *,
    origin: str,
    form: EndpointForm | None = None,
    automatic: AutomaticForm | None = None,
    secret: str = "",
    tested: PollTest | None = None,
) -> EndpointPage:
    """`secret`: only right after it was made."""
    source = AlertSource(endpoint.source)
    address = f"{origin}{reverse('api:receive-alerts', args=[endpoint.pk])}"
    known = verified_resources(start.organization)
    form = form or EndpointForm.saved(endpoint, known)
    automatic = automatic or AutomaticForm.saved(endpoint.policy)
    rejected = queries.rejected(start.organization).filter(endpoint=endpoint)
    return EndpointPage(
        frame=start,
        title=endpoint.name,
        shown=integration_shown(
            start,
            endpoint,
            _state(start, endpoint),
            partial(_url, start, endpoint),
            has_secret=endpoint.polled is None,
            secret=secret,
            last_test=_last_test(endpoint),
        ),
        address=address,
        steps=setup_steps(
            source,
            url=address,
            secret=secret or HIDDEN,
            is_signed=bool(endpoint.signature_header),
        ),
        form=form,
        can_sign=source in SIGNING or bool(endpoint.signature_header),
        defaults=_defaults(known, form),
        resources=[one.name for one in known],
        has_notices=source is AlertSource.ZEEK,
        automatic=automatic,
        modes=options({one.value: words for one, words in MODES.items()}, automatic.mode),
        automatic_says=MODES[endpoint.policy.mode],
        save_policy=_url(start, endpoint, "policy"),
        rejected=newest_rejected(start, rejected),
        rejected_count=rejected.count(),
        poll=poll_part(start, endpoint, tested),
        poll_fields=poll_fields(source),
    )


def remove_endpoint_page(start: Frame, endpoint: AlertEndpoint) -> RemoveEndpointPage:
    count = queries.alerts(start.organization).filter(endpoint=endpoint, is_test=False).count()
    alerts = f"its {plural(count, 'alert')} and " if count else ""
    return RemoveEndpointPage(
        frame=start,
        title=f"Remove {endpoint.name}?",
        points=[
            "Its detector is refused from now on.",
            f"The portal deletes {alerts}its rejected payloads.",
        ],
        back=_url(start, endpoint, "endpoint"),
    )


def _state(start: Frame, endpoint: AlertEndpoint) -> IntegrationState:
    return IntegrationState(
        name=endpoint.name,
        url=_url(start, endpoint, "endpoint"),
        what=wording.source(AlertSource(endpoint.source)),
        badge=_badge(endpoint),
        used="Last used",
        used_at=endpoint.last_used_at,
        unused="Not used yet.",
        troubles=wording.troubles(endpoint),
    )


def _badge(endpoint: AlertEndpoint) -> Badge:
    if not endpoint.is_enabled:
        return wording.OFF
    if endpoint.polled:
        return wording.poll_badge(endpoint.polled)
    return wording.ON if endpoint.last_used_at else wording.UNUSED


def _defaults(known: Sequence[ProtectedResource], form: EndpointForm) -> list[Option]:
    return options({str(one.pk): one.name for one in known}, form.default_resource)


def _last_test(endpoint: AlertEndpoint) -> TestOutcome | None:
    """The newest of: a sample that waits, one that was rejected, and one that became an alert."""
    payload = endpoint.payloads.filter(is_test=True).order_by("-received_at").first()
    alert = endpoint.alerts.filter(is_test=True).order_by("-last_at").first()
    if payload is not None and (alert is None or payload.received_at >= alert.last_at):
        says = (
            "The sample waits to be read. Reload the page."
            if payload.is_waiting
            else f"The sample was rejected. {wording.rejection(payload.rejections[0])}"
        )
        return TestOutcome(at=payload.received_at, badge=wording.TEST_FAILED, says=says)
    if alert is None:
        return None
    about = f" It is about {', '.join(alert.targets.texts)}." if alert.targets else ""
    verdict = AlertVerdict(alert.verdict)
    return TestOutcome(
        at=alert.last_at,
        badge=wording.TEST_PASSED if verdict is AlertVerdict.OURS else wording.TEST_FAILED,
        says=f"The portal read the sample: {wording.verdict(verdict)}{about}",
    )


def _url(start: Frame, endpoint: AlertEndpoint, name: str) -> str:
    return reverse(f"alerts:{name}", args=[start.organization.slug, endpoint.pk])
