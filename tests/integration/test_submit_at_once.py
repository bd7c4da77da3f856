"""A plain submission is one statement, and decides as the step-by-step way does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.api.request_shown import RequestShown
from portal.core.errors import Invalid, PortalError
from portal.core.targets import PortRange
from portal.events.models import Event
from portal.mitigations import queries, services
from portal.mitigations.consent import WouldReplace
from portal.mitigations.models import (
    Mitigation,
    MitigationRequest,
    Strategy,
)
from portal.mitigations.quota import QuotaExceeded
from portal.mitigations.states import RequestStatus, Status
from portal.mitigations.validation import Submission
from portal.organizations.models import IdempotencyKey, Organization, ProtectedResource
from portal.ownership import services as ownership
from portal.providers.models import Subscription
from tests.conftest import ApiOf
from tests.factories import ResourceFactory
from tests.integration.test_simultaneous import CONCURRENT, together

pytestmark = pytest.mark.django_db

WRITE: Final = "WITH counter AS"
LOCK: Final = 'UPDATE "mitigations_eventcounter"'
"""How the step-by-step way begins what it decides under the log's lock."""
STATEMENTS_OF_A_SUBMISSION: Final = 2
STATEMENTS_OF_A_CALL: Final = 3
"""With the one that reads token, person and membership."""


@pytest.fixture(autouse=True)
def _prepared(
    acme: Organization, alice: User, shop: ProtectedResource, acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> None:  # fmt: skip
    """Acme has a verified prefix, two providers, and a log."""
    ResourceFactory.create(organization=acme, name="Names", kind="fqdn", value="shop.example")
    ResourceFactory.create(
        organization=acme, name="Page", kind="uri", value="https://shop.example/pay"
    )
    _end(submit(acme, alice, Submission(prefixes=("203.0.113.1/32",))))


def submit(
    organization: Organization, person: User, submission: Submission, **options: Any
) -> MitigationRequest:
    return services.submit(
        organization=organization, actor=Actor.person(person), submission=submission, **options
    )


def in_another_process(act: Callable[[], object]) -> None:
    """Runs with its own connection, and commits."""
    failures: list[Exception] = []

    def run() -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001  raised below
            failures.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert not failures, failures


@contextmanager
def just_before_it_writes(act: Callable[[], object], first: str = WRITE) -> Iterator[None]:
    """`act` commits between the check of the next submission and its first locking statement."""
    waiting = [act]

    def interrupt(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(first) and waiting:
            in_another_process(waiting.pop())
        return execute(sql, *rest)

    with connection.execute_wrapper(interrupt):
        yield
    assert not waiting, f"it did not get to {first}"


def lock_and_unlock_the_log(organization: Organization) -> Callable[[], object]:
    """What every change in the organization does at least."""
    statement = "UPDATE mitigations_eventcounter SET last_seq = last_seq WHERE organization_id = %s"

    def act() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement, [organization.pk])

    return act


def test_a_plain_submission_is_two_statements(acme: Organization, alice: User) -> None:
    with CaptureQueriesContext(connection) as captured:
        submit(acme, alice, Submission(prefixes=("203.0.113.7/32",)), key="one")

    statements = [one["sql"] for one in captured.captured_queries]
    assert len(statements) == STATEMENTS_OF_A_SUBMISSION, statements


def test_an_event_between_the_two_statements_only_repeats_them(
    acme: Organization, alice: User
) -> None:
    submission = Submission(prefixes=("203.0.113.7/32",))
    with (
        CaptureQueriesContext(connection) as captured,
        just_before_it_writes(lock_and_unlock_the_log(acme)),
    ):
        submit(acme, alice, submission, key="one")

    statements = [one["sql"] for one in captured.captured_queries]
    assert len(statements) == 2 * STATEMENTS_OF_A_SUBMISSION, statements


def test_a_call_of_the_api_is_three_statements(
    alice: User, api_of: ApiOf, django_assert_num_queries: Any
) -> None:
    api = api_of(alice)
    url = "/api/v1/organizations/acme/mitigation-requests"
    api.post(url, {"targets": {"prefixes": ["203.0.113.7/32"]}})  # records the use of the token

    with django_assert_num_queries(STATEMENTS_OF_A_CALL):
        answer = api.post(
            url, {"targets": {"prefixes": ["203.0.113.8/32"]}}, headers={"Idempotency-Key": "one"}
        )

    assert answer.status_code == 202


SUBMISSIONS: Final[dict[str, Callable[[dict[str, UUID]], dict[str, Any]]]] = {
    "a prefix": lambda _: {"prefixes": ("203.0.113.7/32",)},
    "a resource": lambda ids: {"resources": (ids["Shop front-end"],)},
    "a resource twice": lambda ids: {"resources": (ids["Shop front-end"],) * 2},
    "resources in any order": lambda ids: {
        "resources": tuple(
            sorted((ids["Names"], ids["Page"], ids["Shop front-end"]), reverse=True)
        ),
    },
    "several of each": lambda ids: {
        "prefixes": ("203.0.113.7/32", "203.0.113.16/28"),
        "fqdns": ("shop.example",),
        "resources": (ids["Names"], ids["Page"]),
    },
    "ports and protocols": lambda _: {
        "prefixes": ("203.0.113.7/32",),
        "ports": (PortRange(80, 80), PortRange(443, 444)),
        "protocols": (6, 17),
    },
    "without an end": lambda _: {"prefixes": ("203.0.113.7/32",), "lifetime_s": -1},
    "a fixed end and a reason": lambda _: {
        "prefixes": ("203.0.113.7/32",),
        "lifetime_s": 600,
        "auto_renew": False,
        "reason": "50 % of “our” line\\",
    },
    "one provider in parallel": lambda ids: {
        "prefixes": ("203.0.113.7/32",),
        "strategy": Strategy.PARALLEL,
        "subscriptions": (ids["Tidewall"],),
    },
}
DIFFERENT: Final = frozenset(
    {"id", "mid", "request", "created_at", "asked_at", "seq", "at", "request_id", "mitigation_id"}
    | {"key", "result_id", "updated_at"}
)


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_both_ways_write_and_return_the_same(acme: Organization, alice: User, name: str) -> None:
    found = dict(ProtectedResource.objects.values_list("name", "pk"))
    found |= {one.provider.short_name: one.pk for one in queries.subscriptions(acme)}
    submission = Submission(**SUBMISSIONS[name](found))

    at_once, shown_at_once = _submitted(acme, alice, submission, "one")
    with just_before_it_writes(lock_and_unlock_the_log(acme)):
        step_by_step, shown_step_by_step = _submitted(acme, alice, submission, "two")

    assert at_once == step_by_step
    assert shown_at_once == shown_step_by_step


def _submitted(
    organization: Organization, person: User, submission: Submission, key: str
) -> tuple[list[Any], Any]:
    """All rows that it wrote, and its answer, without ids and times. Ends it, so that the next one
    replaces nothing.
    """
    before = timezone.now()
    request = submit(organization, person, submission, key=key)
    mitigation = request.mitigations.get()
    assert mitigation.mid == Subscription.objects.get(pk=mitigation.subscription_id).next_mid - 1
    shown = RequestShown(request).data
    reread = queries.requests(organization).get(pk=request.pk)
    assert shown == RequestShown(reread).data
    event = Event.objects.latest("seq")
    assert event.request_id == request.pk
    used = ProtectedResource.objects.filter(last_used_at__gte=before).order_by("pk")
    rows: list[Any] = [
        _values(MitigationRequest.objects.get(pk=request.pk)),
        _values(mitigation),
        _values(event),
        _values(IdempotencyKey.objects.get(key=key)),
        list(used.values_list("pk", flat=True)),
        sorted(reread.resources.values_list("pk", flat=True)),
    ]
    assert submit(organization, person, submission, key=key) == request
    _end(request)
    return rows, _without_ids(shown)


def _end(request: MitigationRequest) -> None:
    request.mitigations.update(status=Status.TERMINATED)
    MitigationRequest.objects.filter(pk=request.pk).update(status=RequestStatus.TERMINATED)


def _values(row: Any) -> dict[str, Any]:
    values = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    return {name: value for name, value in values.items() if name not in DIFFERENT}


def _without_ids(shown: Any) -> Any:
    if isinstance(shown, dict):
        return {name: _without_ids(one) for name, one in shown.items() if name not in DIFFERENT}
    return [_without_ids(one) for one in shown] if isinstance(shown, list) else shown


def _another_request(acme: Organization, alice: User) -> None:
    submit(acme, alice, Submission(prefixes=("203.0.113.0/29",)))


def _unverified(acme: Organization, alice: User) -> None:
    ProtectedResource.objects.filter(name="Shop front-end").update(verified_at=None)
    lock_and_unlock_the_log(acme)()


def _removed(acme: Organization, alice: User) -> None:
    shop = ProtectedResource.objects.get(name="Shop front-end")
    ownership.remove_resource(resource=shop, actor=alice)


def _disabled(acme: Organization, alice: User) -> None:
    Subscription.objects.update(enabled=False)
    lock_and_unlock_the_log(acme)()


def _filled(acme: Organization, alice: User) -> None:
    for number in range(acme.max_live_requests_per_person):
        submit(acme, alice, Submission(prefixes=(f"203.0.113.{20 + number}/32",)))


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (_another_request, WouldReplace),
        (_unverified, Invalid),
        (_removed, Invalid),
        (_disabled, Invalid),
        (_filled, QuotaExceeded),
    ],
)
@pytest.mark.parametrize(
    ("first", "strategy"),
    [
        pytest.param(WRITE, Strategy.FAILOVER, id="at once"),
        pytest.param(LOCK, Strategy.PARALLEL, id="step by step"),
    ],
)
def test_a_change_that_commits_before_the_write_decides(
    acme: Organization, alice: User, change: Callable[[Organization, User], None],
    refusal: type[PortalError], first: str, strategy: Strategy,
) -> None:  # fmt: skip
    submission = Submission(prefixes=("203.0.113.7/32",), strategy=strategy)
    with just_before_it_writes(lambda: change(acme, alice), first), pytest.raises(refusal):
        submit(acme, alice, submission, key="one")

    assert not MitigationRequest.objects.filter(name="203.0.113.7/32").exists()
    assert not IdempotencyKey.objects.filter(key="one").exists()
    _assert_numbers_without_gaps(acme)


def test_a_resource_that_is_deleted_before_the_write_is_refused(
    acme: Organization, alice: User
) -> None:
    shop = ProtectedResource.objects.get(name="Shop front-end")
    submission = Submission(resources=(shop.pk,))

    with just_before_it_writes(shop.delete), pytest.raises(Invalid):
        submit(acme, alice, submission)

    _assert_numbers_without_gaps(acme)


def test_a_subscription_that_is_deleted_before_the_write_leaves_no_gap(
    acme: Organization, alice: User
) -> None:
    def delete_it() -> None:
        Mitigation.objects.all().delete()
        Subscription.objects.filter(organization=acme).delete()

    with just_before_it_writes(delete_it), pytest.raises(Invalid):
        submit(acme, alice, Submission(prefixes=("203.0.113.7/32",)))

    _assert_numbers_without_gaps(acme)


def test_equal_calls_at_once_return_one_request(acme: Organization, alice: User) -> None:
    def call() -> object:
        return submit(acme, alice, Submission(prefixes=("203.0.113.7/32",)), key="same")

    results = together(*[call] * CONCURRENT)

    (request,) = MitigationRequest.objects.filter(name="203.0.113.7/32")
    assert results == [request] * CONCURRENT
    _assert_numbers_without_gaps(acme)


def test_different_calls_at_once_are_all_saved(acme: Organization, alice: User) -> None:
    def call(number: int) -> Callable[[], object]:
        submission = Submission(prefixes=(f"203.0.113.{number}/32",))
        return lambda: submit(acme, alice, submission, key=str(number))

    results = together(*(call(number) for number in range(8, 8 + CONCURRENT)))

    assert all(isinstance(one, MitigationRequest) for one in results), results
    mids = Mitigation.objects.order_by("mid").values_list("mid", flat=True)
    assert list(mids) == list(range(1, CONCURRENT + 2))
    _assert_numbers_without_gaps(acme)


def _assert_numbers_without_gaps(organization: Organization) -> None:
    numbers = Event.objects.filter(organization_id=organization.pk).order_by("seq")
    assert list(numbers.values_list("seq", flat=True)) == list(range(1, numbers.count() + 1))
