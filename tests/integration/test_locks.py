"""People act on a request while its providers report without pause: nobody waits for who waits for
them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import Trigger
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.conftest import submit as submit
from tests.portal.mitigations.rows import confirm, mitigations_of, report

ACTS: Final = 40
AT_MOST_S: Final = 30.0


class Reporter(threading.Thread):
    """One provider's reports of `mitigation_id`, and what a poll repeats of all."""

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
        services.record_repeated(mitigation_ids=self._every, now=now)


@contextmanager
def reporting(mitigations: list[UUID]) -> Iterator[list[Reporter]]:
    """Two for each: they overtake each other, too."""
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
def test_acts_of_people_and_reports_of_providers_do_not_block_each_other(
    submit: Submit, dana: User
) -> None:
    request, parallel = submit(), submit(strategy="parallel")
    held = [*mitigations_of(request), *mitigations_of(parallel)]
    for mitigation in held:
        confirm(mitigation)
        report(mitigation, Trigger.FILTERING)
    deadline = time.monotonic() + AT_MOST_S
    with reporting([mitigation.pk for mitigation in held]) as reporters:
        for index in range(ACTS):
            assert time.monotonic() < deadline
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
