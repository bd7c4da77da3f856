"""People act on a request while its providers report continuously, without deadlocks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.services import HeardReport, ProviderReport
from portal.mitigations.states import Trigger
from portal.mitigations.validation import Submission
from portal.organizations import services as organizations
from portal.organizations.models import Organization, ResourceKind, Role
from portal.providers import services as providers
from portal.providers.models import Subscription
from tests.factories import ResourceFactory, UserFactory
from tests.integration.test_simultaneous import together
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.conftest import submit as submit
from tests.portal.mitigations.rows import confirm, mitigations_of, report

ACTS: Final = 40
CHANGES: Final = 12


class Reporter(threading.Thread):
    """One provider's reports of `mitigation_id` alone, and of all together."""

    def __init__(self, mitigation_id: UUID, every: list[UUID]) -> None:
        super().__init__()
        self.errors: list[str] = []
        self.reports = 0
        self._mitigation_id = mitigation_id
        self._every = every
        self._is_over = threading.Event()

    def run(self) -> None:
        try:
            while not self._is_over.is_set():
                self._report()
                self.reports += 1
        except OperationalError as error:
            self.errors.append(str(error))
        finally:
            connection.close()

    def end(self) -> None:
        self._is_over.set()

    def _report(self) -> None:
        now = timezone.now()
        news = ProviderReport(
            dots_status=2, trigger=Trigger.FILTERING, bytes_dropped=time.monotonic_ns()
        )
        services.record_report(mitigation_id=self._mitigation_id, report=news, now=now)
        services.record_numbers([HeardReport(one, news, now) for one in self._every])


@contextmanager
def reporting(mitigations: list[UUID]) -> Iterator[list[Reporter]]:
    """Two for each, which also overtake each other."""
    reporters = [Reporter(one, mitigations) for one in (*mitigations, *mitigations)]
    for reporter in reporters:
        reporter.start()
    try:
        yield reporters
    finally:
        for reporter in reporters:
            reporter.end()
        for reporter in reporters:
            reporter.join()


@pytest.mark.django_db
def test_user_actions_and_provider_reports_do_not_block_each_other(
    submit: Submit, dana: User
) -> None:
    request, parallel = submit(), submit(strategy="parallel")
    held = [*mitigations_of(request), *mitigations_of(parallel)]
    for mitigation in held:
        confirm(mitigation)
        report(mitigation, Trigger.FILTERING)
    with reporting([mitigation.pk for mitigation in held]) as reporters:
        for index in range(ACTS):
            for one in (request, parallel):
                services.extend(
                    request_id=one.pk, actor=Actor.person(dana), lifetime_s=7200 + index
                )
                services.report_efficacy(
                    request_id=one.pk, actor=Actor.person(dana), attack_status="under-attack"
                )
        for one in (request, parallel):
            services.terminate(request_id=one.pk, actor=Actor.person(dana))

    assert [reporter.errors for reporter in reporters] == [[]] * len(reporters)
    assert all(reporter.reports for reporter in reporters)


@pytest.mark.django_db
def test_staff_and_members_change_an_organization_concurrently(
    acme: Organization, dana: User, mo: User, acme_northgate: Subscription
) -> None:
    """Each takes the locks of docs/locking.md in their order, so that no deadlock occurs."""
    people = [UserFactory.create() for _ in range(CHANGES)]

    def repeat(act: Callable[[int], object]) -> Callable[[], None]:
        def acts() -> None:
            for index in range(CHANGES):
                act(index)

        return acts

    def add(index: int) -> None:
        organizations.add_resource(
            organization=acme,
            actor=Actor.person(dana),
            name=f"Shop {index}",
            kind=ResourceKind.PREFIX,
            value=f"203.0.113.{index}/32",
        )

    def give_role(index: int) -> None:
        organizations.set_role(organization=acme, user=people[index], role=Role.VIEWER, actor=mo)

    def verify_and_ask(index: int) -> None:
        resource = ResourceFactory.create(
            organization=acme, name=f"Web {index}", value=f"198.51.100.{index}/32", verified_at=None
        )
        organizations.verify_resource(resource=resource, actor=mo)
        submission = Submission(resources=(resource.pk,))
        services.submit(
            organization=acme, actor=Actor.person(dana), submission=submission, key=f"key {index}"
        )

    def order(index: int) -> None:
        providers.set_order(subscription=acme_northgate, priority=index + 1, enabled=True, actor=mo)

    def change(index: int) -> None:
        one = Organization.objects.get(pk=acme.pk)
        one.patience_s = 20 + index
        one.slug = f"acme-{index}"  # unique: it locks the row's key
        organizations.change_settings(organization=one, actor=mo)

    acts = [repeat(act) for act in (add, give_role, verify_and_ask, order, change)]

    assert together(*acts) == [None] * len(acts)
    seqs = list(Event.objects.order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, len(seqs) + 1))
