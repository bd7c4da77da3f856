"""The form shows staff whether the connection uses the saved settings."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import User
from portal.providers.models import PendingChange, SessionState, Subscription
from tests.conftest import ClientOf

CHANGE = PendingChange(
    changed=["certificate"],
    tried_at=timezone.now().isoformat(),
    failure="the server refused the handshake",
)


@pytest.mark.parametrize(
    ("state", "change", "said"),
    [
        (SessionState.UP, None, "The saved settings."),
        (SessionState.UP, CHANGE, "Still connected with the old certificate."),
        (SessionState.DOWN, None, "There is no connection."),
    ],
)
def test_the_form_of_a_subscription_says_what_the_connection_uses(
    mo: User,
    acme_northgate: Subscription,
    client_of: ClientOf,
    state: SessionState,
    change: PendingChange | None,
    said: str,
) -> None:
    Subscription.objects.update(session_state=state, pending_change=change)
    url = reverse("admin:providers_subscription_change", args=[acme_northgate.pk])

    assert said in client_of(mo).get(url).content.decode()
