from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.consent import Consent
from portal.mitigations.models import Mitigation, MitigationRequest, Strategy
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import Trigger
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.conftest import ClientOf

Ask = Callable[..., MitigationRequest]


@pytest.fixture
def ask(
    acme: Organization,
    alice: User,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> Ask:
    """alice asks Northgate, then Tidewall, for the shop."""

    def ask(strategy: Strategy = Strategy.FAILOVER) -> MitigationRequest:
        submission = Submission(resources=(shop.pk,), strategy=strategy, reason="UDP flood")
        request = services.submit(
            organization=acme,
            actor=Actor.person(alice),
            submission=submission,
            # A second request for the same targets replaces the first.
            consent=Consent(named=tuple(MitigationRequest.objects.values_list("pk", flat=True))),
        )
        request.created_at -= timedelta(minutes=1)
        request.save(update_fields=["created_at"])
        return request

    return ask


@pytest.fixture
def browser(
    alice: User,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
    client_of: ClientOf,
) -> Client:
    return client_of(alice)


def typed(**fields: Any) -> dict[str, Any]:
    """The form as it is posted."""
    return {"key": "one-form", "lifetime": "3600", "renew": "1", "strategy": "failover", **fields}


def one_line(page: str) -> str:
    """The page without the line breaks and the indentation of its template."""
    page = re.sub(r"\s+", " ", page)
    return re.sub(r"(<(?!/)[^>]*>) | (?=</)", r"\1", page)


def words_of(answer: Any) -> str:
    """The text of an answer, without markup."""
    return " ".join(unescape(re.sub("<[^>]*>", " ", answer.content.decode())).split())


def text_of(page: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))).replace(" .", ".")


def mitigations_of(request: MitigationRequest) -> list[Mitigation]:
    return list(request.mitigations.order_by("position"))


def sent(one: Mitigation, at: datetime) -> None:
    services.record_sending(mitigation_id=one.pk, now=at)


def accepted(one: Mitigation, at: datetime) -> None:
    services.record_confirmed(mitigation_id=one.pk, lifetime_s=3600, now=at, asked_at=at)


def reports(one: Mitigation, trigger: Trigger, at: datetime, bps: int | None = None) -> None:
    numbers = {2: Trigger.FILTERING, 3: Trigger.ATTACK_ENDED, 4: Trigger.CAPACITY_EXCEEDED}
    services.record_report(
        mitigation_id=one.pk,
        report=ProviderReport(
            dots_status=next((n for n, known in numbers.items() if known == trigger), 6),
            trigger=trigger,
            bps_dropped=bps,
            bytes_dropped=bps and bps * 60,
        ),
        now=at,
    )


def filtering(one: Mitigation, *, bps: int = 100_000_000) -> None:
    """Sent, accepted and filtering, with one report of amounts."""
    now = timezone.now()
    sent(one, now - timedelta(seconds=30))
    accepted(one, now - timedelta(seconds=29))
    reports(one, Trigger.FILTERING, now - timedelta(seconds=5), bps)


def ended(request: MitigationRequest, actor: User) -> None:
    """Terminated, and confirmed by every provider that had it."""
    services.terminate(request_id=request.pk, actor=Actor.person(actor))
    for one in mitigations_of(request):
        if one.sent_at:
            reports(one, Trigger.ENDED, timezone.now())


def fixes_in(page: str) -> list[tuple[str, str]]:
    """The posted value and the label of each fix button on a page."""
    found = re.findall(r'name="fix"\s+value="([^"]+)">([^<]+)<', one_line(page))
    return [(unescape(value), unescape(label)) for value, label in found]


FORM = "/organizations/acme/requests/new"
