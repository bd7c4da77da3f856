"""The timeline of a request."""

from __future__ import annotations

from django.utils import timezone

from portal.accounts.models import User
from portal.events.log import append_event
from portal.events.models import EventType
from tests.conftest import ClientOf
from tests.portal.web.conftest import Ask, words_of


def test_a_provider_that_filters_again_does_not_begin_again(
    ask: Ask, alice: User, client_of: ClientOf
) -> None:
    """A provider that restarts forgets the request, and gets it again."""
    asked = ask()
    mitigation = asked.mitigations.get()
    for previous, status in (
        ("in_progress", "mitigating"),
        ("mitigating", "pending"),
        ("pending", "mitigating"),
    ):
        append_event(
            organization_id=asked.organization_id,
            type=EventType.MITIGATION_STATUS,
            at=timezone.now(),
            request=asked,
            mitigation=mitigation,
            data={"status": status, "previous": previous},
        )

    said = words_of(client_of(alice).get(asked.get_absolute_url()))

    assert said.count("reports it is filtering. 0 s after the request.") == 1
    assert said.count("reports it is filtering again.") == 1
    assert said.count("after the request.") == 1
    assert said.index("filtering again.") < said.index("filtering. 0"), "newest first"
