from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.accounts.models import User
from portal.mitigations import services
from portal.providers.models import SessionState, Subscription
from portal.signaling.sessions import record_session
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.legs import NOW, legs, refuse


@pytest.mark.parametrize("act", ["submit", "ask", "refused", "session"])
def test_the_event_counter_is_locked_before_any_subscription(
    submit: Submit, dana: User, acme_northgate: Subscription, act: str
) -> None:
    request = submit()
    with CaptureQueriesContext(connection) as queries:
        if act == "submit":
            submit()
        elif act == "ask":
            services.ask_provider(request_id=request.pk, actor=dana)
        elif act == "refused":
            refuse(legs(request)[0])
        else:
            Subscription.objects.filter(pk=acme_northgate.pk).update(owner="me")
            queries.initial_queries = len(connection.queries_log)
            record_session(
                subscription_id=acme_northgate.pk, owner="me", state=SessionState.DOWN, now=NOW
            )

    statements = [one["sql"] for one in queries.captured_queries]
    counter = _first(statements, 'UPDATE "mitigations_eventcounter"')
    assert counter < _first(statements, 'UPDATE "providers_subscription"')


def _first(statements: list[str], begins: str) -> int:
    return next(index for index, one in enumerate(statements) if one.startswith(begins))
