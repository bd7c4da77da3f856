from __future__ import annotations

import re

import httpx
from django.db import connection

from portal.organizations.models import Organization
from tests.factories import OrganizationFactory
from tests.integration.stack import Stack, wait_for


def test_every_process_runs_and_the_pages_answer(stack: Stack) -> None:
    answer = httpx.get(f"{stack.url}/sign-in")

    assert stack.first_failure() is None
    assert answer.status_code == 200


def test_a_healthy_answer_is_not_logged_and_others_are(stack: Stack) -> None:
    for path in ("/healthz", "/healthz?deep=1", "/healthz/", "/sign-in?next=/healthz"):
        httpx.get(f"{stack.url}{path}")

    log = stack.directory / "log" / "web.log"
    wait_for(lambda: "GET /sign-in?next=/healthz" in log.read_text().replace("%2F", "/"))
    asked = re.findall(r'"GET (/healthz\S*) HTTP', log.read_text())
    assert asked == ["/healthz/"]


def test_in_this_folder_the_database_is_postgresql(db: None) -> None:
    OrganizationFactory.create(slug="acme")

    assert connection.vendor == "postgresql"
    assert not connection.in_atomic_block
    assert [organization.slug for organization in Organization.objects.all()] == ["acme"]


def test_a_test_finds_nothing_of_the_one_before(db: None) -> None:
    assert not Organization.objects.exists()
