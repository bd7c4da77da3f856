"""Read what is known about an organization with a known number of queries, and make the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import BooleanField, ExpressionWrapper, F, Max, OuterRef, Subquery

from portal.core.targets import Targets, why_not
from portal.core.wording.targets import sentence
from portal.inventory.models import Inventory
from portal.mitigations import queries as mitigations
from portal.mitigations.models import Mitigation
from portal.mitigations.states import LOOP
from portal.mitigations.validation import EligibleProvider, assign_scope
from portal.notifications.channels.queries import channels
from portal.organizations.models import (
    Membership,
    Organization,
    ProtectedResource,
    Role,
)
from portal.organizations.suspension import suspended_sentence
from portal.providers.certificate_validity import validities
from portal.providers.models import Subscription
from portal.providers.queries import as_numbers_of
from portal.readiness.checks import (
    certificates,
    people,
    prepared,
    providers,
    receivers,
    routes,
    targets,
)
from portal.readiness.drills import drills_of
from portal.readiness.rows import Answer, Destination, Link, Row, answer
from portal.rpki.origins import origins_of
from portal.signaling.leasing import leases
from portal.signaling.models import SignalWorker
from portal.sso.queries import can_give_factor
from portal.standby import queries as standby
from portal.wording.from_rows.mitigations import session_of
from portal.wording.from_rows.unknown import beside as unknown_beside
from portal.wording.unknown import untold


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Every check of an organization at one moment."""

    rows: tuple[Row, ...]
    answer: Answer
    checked_at: datetime
    last_drill: prepared.DrillFacts | None
    passed_drill: prepared.DrillFacts | None


def readiness_of(membership: Membership, now: datetime) -> Readiness:
    """The person who asks decides only whether the form of a request is linked."""
    organization = membership.organization
    subscriptions = _subscriptions(organization, now)
    last, passed = drills_of(organization)
    rows = (
        *_suspended_row(organization),
        *_provider_rows(organization, subscriptions, now),
        *_target_rows(membership, mitigations.eligible_providers(organization), now),
        *_plan_rows(organization, now),
        _drill_row(organization, last, passed, now),
        *_people_rows(membership),
    )
    return Readiness(
        rows=rows,
        answer=answer(rows),
        checked_at=now,
        last_drill=last,
        passed_drill=passed,
    )


def _suspended_row(organization: Organization) -> list[Row]:
    if organization.suspended_at is None:
        return []
    return [providers.suspended(organization.name, suspended_sentence(organization))]


def _provider_rows(
    organization: Organization, subscriptions: Sequence[Subscription], now: datetime
) -> list[Row]:
    if not subscriptions:
        return [providers.subscribed(organization.name)]
    beside = unknown_beside(organization)
    found = [_provider(one, beside.get(one.pk, ""), now) for one in subscriptions]
    return [
        providers.signal_worker(found, _last_sign_of_life(), now),
        *(providers.session(one, now) for one in found),
        *(row for one in found if (row := providers.loop(one, now)) is not None),
        *(row for one in found if (row := providers.inventory(one)) is not None),
        *(certificates.certificate(one, now) for one in found),
        *(certificates.trust(one, now) for one in found),
        providers.phone(found),
    ]


def _last_sign_of_life() -> datetime | None:
    newest: datetime | None = SignalWorker.objects.aggregate(newest=Max("seen_at"))["newest"]
    return newest


def _subscriptions(organization: Organization, now: datetime) -> list[Subscription]:
    """Includes certificates, which other pages leave in the database, but never a key."""
    heard_last = Mitigation.objects.filter(
        subscription=OuterRef("pk"), last_heard_at__isnull=False
    ).order_by("-last_heard_at")
    return list(
        Subscription.objects.filter(organization=organization, enabled=True)
        .select_related("provider", "organization", "inventory")
        .annotate(
            said_last=Subquery(heard_last.values("refusal_code")[:1]),
            said_last_because=Subquery(heard_last.values("refusal_reason")[:1]),
            said_last_at=Subquery(heard_last.values("last_heard_at")[:1]),
            has_worker=ExpressionWrapper(leases.is_owned(now), BooleanField(null=True)),
        )
        .defer("private_key")
        .order_by("priority", "pk")
    )


def _provider(subscription: Subscription, beside: str, now: datetime) -> providers.ProviderFacts:
    provider = subscription.provider
    return providers.ProviderFacts(
        id=str(subscription.pk),
        name=provider.name,
        short=provider.short_name,
        phone=provider.phone,
        session=session_of(subscription),
        transport=subscription.session_transport,
        transports=provider.transports,
        worked={"dtls": subscription.dtls_worked_at, "tls": subscription.tls_worked_at},
        has_worker=bool(subscription.has_worker),  # type: ignore[attr-defined]  # annotated
        chain=validities(subscription.certificate_chain),
        anchors=validities(provider.trust_anchors),
        page=Link("Open", Destination.PROVIDER, str(provider.pk)),
        loop=_loop(subscription),
        beside=providers.Beside(beside, Link("Open", Destination.UNKNOWN_MITIGATIONS))
        if beside
        else None,
        untold=untold(_refusal(subscription)),
        pending_change=subscription.pending_change,
        refusal=subscription.session_refusal,
        redirection_ignored=subscription.redirection_ignored,
    )


def _refusal(subscription: Subscription) -> str:
    """Why the provider returns no list of its mitigations; empty if it does, or was not
    asked yet.
    """
    try:
        return subscription.inventory.refusal
    except Inventory.DoesNotExist:
        return ""


def _loop(subscription: Subscription) -> providers.Loop | None:
    """None after a message got through, or after the connection settings changed."""
    if subscription.said_last != LOOP:  # type: ignore[attr-defined]  # annotated
        return None
    at: datetime = subscription.said_last_at  # type: ignore[attr-defined]  # annotated
    changes = (subscription.changed_at, subscription.provider.changed_at)
    if any(change is not None and change > at for change in changes):
        return None
    return providers.Loop(subscription.said_last_because, at)  # type: ignore[attr-defined]  # annotated


def _target_rows(
    membership: Membership, eligible_providers: Sequence[EligibleProvider], now: datetime
) -> list[Row]:
    organization = membership.organization
    known = list(
        ProtectedResource.objects.filter(organization=organization)
        .order_by("name", "pk")
        .only("name", "kind", "value", "verified_at")
    )
    verified = {one.name: one.target for one in known if one.is_verified}
    left = [one.name for one in known if not one.is_verified]
    unaskable = {
        name: sentence(problem) for name, target in verified.items() if (problem := why_not(target))
    }
    rows = [targets.resources(len(verified), left, unaskable)]
    askable = {target: name for name, target in verified.items() if name not in unaskable}
    if askable and eligible_providers:
        scope = Targets.of(askable)
        assigned_scopes = [
            assign_scope(provider, scope, port_ranges=0) for provider in eligible_providers
        ]
        link = Link("Request some", Destination.NEW_REQUEST) if membership.can_operate else None
        rows.append(
            targets.coverage(
                {str(target): name for target, name in askable.items()}, assigned_scopes
            )
        )
        rows.append(targets.size(assigned_scopes, link))
        origins = origins_of(scope.prefixes, now)
        as_numbers = as_numbers_of(organization) if origins is not None else {}
        if origins is not None and as_numbers:
            checks = [
                (assigned.provider.name, origins.check(network, as_number))
                for assigned in assigned_scopes
                if (as_number := as_numbers.get(assigned.provider.subscription)) is not None
                for network in assigned.scope.prefixes
            ]
            rows.append(routes.routes(checks, origins))
    return rows


def _plan_rows(organization: Organization, now: datetime) -> list[Row]:
    """Only of plans that are on, since one that is off is not prepared."""
    return [
        prepared.plan(
            plan.name,
            str(plan.pk),
            [
                prepared.HolderFacts(
                    short=one.subscription.provider.short_name,
                    is_held=one.is_held,
                    is_active=one.is_active,
                    reported_at=one.reported_at,
                )
                for one in standby.holders(plan)
            ],
            now,
            Link("Open", Destination.PLAN, str(plan.pk)),
        )
        for plan in standby.plans(organization)
        if plan.is_on
    ]


def _drill_row(
    organization: Organization,
    last: prepared.DrillFacts | None,
    passed: prepared.DrillFacts | None,
    now: datetime,
) -> Row:
    every = Link("All drills", Destination.DRILLS)
    return prepared.drill(last, passed, now, every)


def _people_rows(membership: Membership) -> list[Row]:
    organization = membership.organization
    rows = list(
        Membership.objects.filter(organization=organization, user__is_active=True)
        .select_related("user")
        .annotate(has_second_factor=can_give_factor())
        .order_by(F("user__username"))
    )
    members = [
        people.Member(
            name=one.user.username,
            role=Role(one.role).value,
            can_request=one.can_operate,
            is_admin=one.allows(Role.ADMIN),
            has_second_factor=one.has_second_factor,
        )
        for one in rows
    ]
    return [
        people.requesters(members),
        people.second_factor(members),
        people.admins(members),
        *_receiver_rows(membership, sum(bool(one.user.email) for one in rows)),
    ]


def _receiver_rows(membership: Membership, with_address: int) -> list[Row]:
    """None for an organization without channels: its members hear what they chose."""
    found = [
        receivers.ChannelFacts(
            name=one.name,
            is_enabled=one.is_enabled,
            is_failing=one.is_failing,
            was_delivered=one.last_success_at is not None,
        )
        for one in channels(membership.organization)
    ]
    if not found:
        return []
    has_mail = bool(settings.EMAIL_HOST or settings.EMAIL_FILE_PATH)
    link = Link("Channels", Destination.CHANNELS) if membership.allows(Role.ADMIN) else None
    return [receivers.receivers(found, with_address if has_mail else 0, link)]
