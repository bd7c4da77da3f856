from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.states import Trigger
from portal.providers.models import SessionState, Subscription
from portal.signaling.store.session_status import SessionStatus, record_session
from tests.parsed import parsed
from tests.portal.leased import lease_to
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import NOW, confirm, mitigations_of, refuse, report

pytestmark = pytest.mark.sqlite


@pytest.mark.parametrize("act", ["submit", "ask", "refused", "session"])
def test_the_event_counter_is_locked_before_any_subscription(
    submit: Submit, dana: User, acme_northgate: Subscription, act: str
) -> None:
    request = submit()
    with CaptureQueriesContext(connection) as queries:
        if act == "submit":
            submit()
        elif act == "ask":
            services.ask_provider(request_id=request.pk, actor=Actor.person(dana))
        elif act == "refused":
            refuse(mitigations_of(request)[0])
        else:
            lease_to("me", acme_northgate)
            queries.initial_queries = len(connection.queries_log)
            status = SessionStatus(state=SessionState.DOWN)
            record_session(subscription_id=acme_northgate.pk, owner="me", status=status, now=NOW)

    statements = [one["sql"] for one in queries.captured_queries]
    counter = _first(statements, 'UPDATE "mitigations_eventcounter"')
    assert counter < _first(statements, 'UPDATE "providers_subscription"')


@pytest.mark.parametrize("act", ["terminate", "extend", "efficacy", "stop"])
def test_mitigations_are_locked_before_the_event_counter(
    submit: Submit, dana: User, act: str
) -> None:
    """A report locks a mitigation, then the counter: the reverse order could deadlock with it."""
    request = submit()
    for mitigation in mitigations_of(request):
        confirm(mitigation)
        report(mitigation, Trigger.FILTERING)
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        if act == "terminate":
            services.terminate(request_id=request.pk, actor=Actor.person(dana))
        elif act == "extend":
            services.extend(request_id=request.pk, actor=Actor.person(dana), lifetime_s=7200)
        elif act == "efficacy":
            services.report_efficacy(
                request_id=request.pk, actor=Actor.person(dana), attack_status="under-attack"
            )
        else:
            services.stop_filtering(request_id=request.pk, actor=Actor.person(dana))

    statements = [one["sql"] for one in queries.captured_queries]
    locked = next(
        index for index, one in enumerate(statements)
        if one.startswith("SELECT") and "FROM \"mitigations_mitigation\"" in one
    )  # fmt: skip
    counter = _first(statements, 'UPDATE "mitigations_eventcounter"')
    assert locked < counter
    changed = [one for one in statements if one.startswith('UPDATE "mitigations_mitigation"')]
    assert not changed or locked < _first(statements, 'UPDATE "mitigations_mitigation"')


def test_a_request_is_locked_before_the_failure_of_one_of_its_mitigations_is_written(
    submit: Submit,
) -> None:
    """A transaction that locked the request may wait for the mitigation; the reverse order would
    deadlock.
    """
    (mitigation, *_) = mitigations_of(submit())
    with CaptureQueriesContext(connection) as queries:
        services.mark_failure(mitigation_id=mitigation.pk, is_answered=True, now=NOW)

    statements = [one["sql"] for one in queries.captured_queries]
    assert _first(statements, 'SELECT "mitigations_mitigationrequest"') < _first(
        statements, 'UPDATE "mitigations_mitigation"'
    )


def test_several_requests_are_locked_with_their_mitigations(submit: Submit) -> None:
    ids = [submit().pk, submit().pk]
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        services.lock_requests(ids)

    statements = [one["sql"] for one in queries.captured_queries]
    assert _first(statements, 'SELECT "mitigations_mitigationrequest"') < _first(
        statements, 'SELECT "mitigations_mitigation"'
    )


LOCKS = {"lock_mitigation", "lock_request", "lock_request_for", "lock_requests"}
"""These run in the transaction of their caller."""


def locking_services() -> Iterator[tuple[str, str]]:
    """Each function that locks a request itself, with its transaction."""
    for path in sorted(Path(str(services.__file__)).parent.glob("*.py")):
        for function in parsed(path.read_text()).body:
            if isinstance(function, ast.FunctionDef):
                calls = {
                    call.func.id
                    for call in ast.walk(function)
                    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
                }
                if calls & LOCKS and function.name not in LOCKS:
                    yield function.name, " ".join(map(ast.unparse, function.decorator_list))


@pytest.mark.parametrize(("name", "transaction_of"), list(locking_services()))
def test_every_function_that_locks_a_request_is_one_transaction(
    name: str, transaction_of: str
) -> None:
    """Without a transaction a lock ends with its statement, and a failure leaves half of
    a change.
    """
    assert transaction_of.startswith("transaction.atomic"), name


def _first(statements: list[str], begins: str) -> int:
    return next(index for index, one in enumerate(statements) if one.startswith(begins))
