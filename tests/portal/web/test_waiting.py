"""The portal obeys the time that a provider names and shows it as such; it does not claim to be
retrying for years.
"""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from portal.accounts.models import User
from portal.core.formatting import moment
from portal.events.models import Event, EventType
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest, ProviderConflict
from tests.conftest import ClientOf
from tests.portal.web.conftest import Ask, mitigations_of, sent

LONGEST_S = 2**32 - 1
"""retry-timer is 32 bits (RFC 9132 section 4.4.1.3): some 136 years."""
NBSP = "\u00a0"


def words_of(page: str) -> str:
    bare = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(bare).replace(NBSP, " ").split())


def refused_for(request: MitigationRequest, seconds: int) -> None:
    """Both providers name the time, in `seconds`, from which they may be asked again."""
    while mitigation := request.mitigations.filter(status="pending").first():
        sent(mitigation, timezone.now())
        services.record_refused(
            mitigation_id=mitigation.pk,
            code="4.09",
            reason="",
            conflict=ProviderConflict(retry_after=seconds),
            retry_after_s=seconds,
            now=timezone.now(),
        )


@pytest.mark.parametrize("seconds", [LONGEST_S, 86400 * 3, 3600])
def test_a_long_wait_is_not_called_trying(
    alice: User, ask: Ask, client_of: ClientOf, seconds: int
) -> None:
    request = ask()
    refused_for(request, seconds)
    until = moment(mitigations_of(request)[0].retry_at, timezone.now()).replace(NBSP, " ")

    browser = client_of(alice)
    page = words_of(browser.get(request.get_absolute_url()).content.decode())
    now = words_of(browser.get("/organizations/acme/").content.decode())

    for shown in (page, now):
        assert "No provider has confirmed help. The portal will not retry before" in shown
        assert "Still trying" not in shown
        assert "keeps asking" not in shown
    assert f"It asked the portal not to retry before {until}." in page
    # The person's next step: call the provider that must not be asked yet.
    assert "Call Northgate if you need it sooner." in page
    assert page.count("Reference for a call:") == 2
    assert "The portal will not retry before" in page[page.index("What happened") :]


def test_a_retry_within_minutes_is_called_trying(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    refused_for(request, 60)

    page = words_of(client_of(alice).get(request.get_absolute_url()).content.decode())

    assert "No provider has confirmed help. Still trying." in page
    assert "The portal keeps trying." in page
    assert "if you need it sooner" not in page


def test_the_timeline_shows_the_next_retry(ask: Ask) -> None:
    request = ask()
    refused_for(request, 86400 * 400)

    event = Event.objects.filter(request_id=request.pk, type=EventType.REQUEST_STATUS).last()
    assert event is not None
    assert event.data["status"] == "failing"
    assert event.data["next_try_at"] > (timezone.now() + timedelta(days=399)).isoformat()


def test_a_retry_updates_the_time_of_sending(ask: Ask) -> None:
    request = ask()
    first = mitigations_of(request)[0]
    sent(first, timezone.now())
    services.record_refused(mitigation_id=first.pk, code="4.03", reason="", now=timezone.now())
    services.ask_provider(
        request_id=request.pk,
        actor=request.requester,
        subscription_id=first.subscription_id,
    )

    sent(first, timezone.now())
    once = mitigations_of(request)[0]
    assert once.sent_at is not None
    assert once.sent_at >= once.asked_at

    sent(first, timezone.now())
    assert mitigations_of(request)[0].sent_at == once.sent_at


def test_a_provider_that_asked_to_wait_is_not_called_silent(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    first = mitigations_of(request)[0]
    sent(first, first.asked_at)
    services.record_unavailable(
        mitigation_id=first.pk,
        code="5.03",
        reason="",
        retry_at=first.asked_at + timedelta(minutes=5),
        now=first.asked_at + timedelta(seconds=1),
    )
    second = mitigations_of(request)[1]
    sent(second, second.asked_at)
    services.mark_overdue(now=second.asked_at + timedelta(minutes=1))

    page = words_of(client_of(alice).get(request.get_absolute_url()).content.decode())

    timeline = page[page.index("What happened") :]
    assert "Northgate asked the portal to retry later." in timeline
    assert "Northgate has not answered" not in timeline
    assert "Tidewall has not answered" in timeline
