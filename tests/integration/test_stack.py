from __future__ import annotations

import re
from contextlib import closing
from typing import Final

import httpx
import redis
from django.db import connection

from portal.organizations.models import Organization
from tests.factories import OrganizationFactory
from tests.integration.stack import CALL_TIMEOUT_S, Stack, wait_for

TASKS: Final = 20
"""Some are `map_waiting`, which runs twice a second."""


def test_every_process_runs_and_the_pages_answer(stack: Stack) -> None:
    answer = httpx.get(f"{stack.url}/sign-in", timeout=CALL_TIMEOUT_S)

    assert stack.first_failure() is None
    assert answer.status_code == 200


def test_only_unhealthy_answers_are_logged(stack: Stack) -> None:
    for path in ("/healthz", "/healthz?deep=1", "/healthz/", "/sign-in?next=/healthz"):
        httpx.get(f"{stack.url}{path}", timeout=CALL_TIMEOUT_S)

    log = stack.directory / "log" / "web.log"
    wait_for(lambda: "GET /sign-in?next=/healthz" in log.read_text().replace("%2F", "/"))
    asked = re.findall(r'"GET (/healthz\S*) HTTP', log.read_text())
    assert asked == ["/healthz/"]


def test_tasks_that_succeed_are_not_logged(stack: Stack) -> None:
    with closing(redis.Redis.from_url(stack.redis_url)) as broker:

        def sent() -> int:
            return int(broker.info("commandstats").get("cmdstat_lpush", {"calls": 0})["calls"])

        wait_for(lambda: sent() > TASKS)
        wait_for(lambda: not broker.llen("alerts"))

    for log in (stack.directory / "log").glob("*.log"):
        assert "map_waiting[" not in log.read_text(), log


def test_integration_tests_use_postgresql(db: None) -> None:
    OrganizationFactory.create(slug="acme")

    assert connection.vendor == "postgresql"
    assert not connection.in_atomic_block
    assert [organization.slug for organization in Organization.objects.all()] == ["acme"]


def test_a_test_starts_without_rows_of_the_previous_test(db: None) -> None:
    assert not Organization.objects.exists()
