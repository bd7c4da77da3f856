"""The calls of the people in a world, and the events that they read."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import httpx
import psycopg

from tests.integration.faults.invariants import (
    gaps,
)
from tests.integration.stack import Api, Stack

STEP_PATIENCE_S: Final = 90.0
PAGE_SIZE: Final = 20
PERSON: Final = {"acme": "alice", "globex": "charlie"}


class Calls:
    """The clients of the people, and the last event read of each organization."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._people = {slug: Api(stack, person) for slug, person in PERSON.items()}
        self._read_to = dict.fromkeys(PERSON, 0)

    def _patiently(self, call: Callable[[], httpx.Response], *, is_ok: tuple[int, ...] = ()) -> Any:
        """Retry like a program under attack: after a broken connection, and after a 5xx."""
        deadline = time.monotonic() + STEP_PATIENCE_S
        while True:
            try:
                answer = call()
            except httpx.TransportError as error:
                trouble = repr(error)
            else:
                if answer.is_success or answer.status_code in is_ok:
                    return answer.json() if answer.content else None
                if answer.status_code < 500 and answer.status_code != 429:
                    raise AssertionError(f"{answer.status_code}: {answer.text[:300]}")
                trouble = f"{answer.status_code}: {answer.text[:200]}"
            if time.monotonic() > deadline:
                raise AssertionError(f"no answer within {STEP_PATIENCE_S:.0f} s: {trouble}")
            time.sleep(0.2)

    def _found(self, organization: str, label: str) -> list[dict[str, Any]]:
        """The request with a label: newest first, but after the clock was set back a request may
        have an old date.
        """
        cursor: dict[str, str] = {}
        while True:
            page = self._get(organization, "mitigation-requests", limit=PAGE_SIZE, **cursor)
            found = [shown for shown in page["results"] if shown["reason"] == label]
            if found or page["next"] is None:
                return found
            cursor = {"cursor": httpx.URL(page["next"]).params["cursor"]}

    def _gaps(self) -> list[str]:
        problems = []
        for organization in PERSON:
            read_to = self._read_to[organization]
            numbers: list[int] = []
            while True:
                page = self._get(organization, "events", after=numbers[-1] if numbers else read_to)
                numbers += [event["seq"] for event in page["results"]]
                if page["next"] is None:
                    break
            problems += [f"{organization}: {gap}" for gap in gaps(read_to, numbers)]
            if numbers:
                self._read_to[organization] = numbers[-1]
        return problems + self._gaps_in_rows()

    def _gaps_in_rows(self) -> list[str]:
        with psycopg.connect(self.stack.database_url) as connection:
            rows = connection.execute(
                "SELECT o.slug, count(*), max(e.seq), (SELECT last_seq FROM "
                "mitigations_eventcounter c"
                " WHERE c.organization_id = o.id) FROM mitigations_event e"
                " JOIN organizations_organization o ON o.id = e.organization_id GROUP BY o.id"
            ).fetchall()
        return [
            f"{slug}: {count} events, the last is {last}, the counter says {counter}"
            for slug, count, last, counter in rows
            if not count == last == counter
        ]

    def _get(self, organization: str, what: str, **parameters: Any) -> Any:
        return self._patiently(
            lambda: self._people[organization].call(
                "GET", self._path(organization) + what, params=parameters
            )
        )

    def _path(self, organization: str) -> str:
        return f"organizations/{organization}/"

    def _plans(self, organization: str) -> str:
        return self._path(organization) + "standby-plans"

    def _requests(self, organization: str) -> str:
        return self._path(organization) + "mitigation-requests"
