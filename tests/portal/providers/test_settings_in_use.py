"""The form shows staff whether the connection uses the saved settings."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import User
from portal.providers.models import PendingChange, SessionFault, SessionState, Subscription
from portal.providers.wording import no_session_because
from tests.conftest import ClientOf

session_fault_migration = import_module("portal.providers.migrations.0011_session_fault")
CHANGE = PendingChange(
    changed=("certificate",),
    tried_at=timezone.now(),
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
def test_the_subscription_form_shows_the_settings_in_use(
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


@pytest.mark.parametrize("fault", list(SessionFault))
def test_every_portal_fault_has_a_sentence_that_upgrades_parse(
    fault: SessionFault,
) -> None:
    assert no_session_because(fault, "")
    assert session_fault_migration.SENTENCES[fault]
    assert no_session_because("", "no route") == "no route"
