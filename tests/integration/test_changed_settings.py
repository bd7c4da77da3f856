"""A provider's settings change while it filters: the portal switches without a gap, or says why
not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from tests.integration.network import watched
from tests.integration.stack import Api, Stack, control, wait_for
from tests.integration.test_main_job import REQUESTS, shown, submit

FOUND_WITHIN_S = 45.0
"""Changes made directly in the database are found within 30 s."""
NOBODY = 9


def save(stack: Stack, port: int) -> int:
    """As the admin does; the previous port."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        (before,) = connection.execute(
            "SELECT port FROM providers_provider WHERE short_name = 'Northgate'"
        ).fetchone() or (0,)
        connection.execute(
            "UPDATE providers_provider SET port = %s, changed_at = clock_timestamp()"
            " WHERE short_name = 'Northgate'",
            [port],
        )
    return int(before)


def session(api: Api) -> dict[str, Any]:
    one: dict[str, Any] = api.get("organizations/acme/subscriptions")["results"][0]["session"]
    return one


def test_a_session_follows_a_moved_provider_and_the_page_shows_a_missing_one(
    stack: Stack, api_as: Callable[[str], Api]
) -> None:
    alice = api_as("alice")
    request = submit(alice, "203.0.113.40/32")
    wait_for(lambda: shown(alice, request["id"])["status"] == "mitigating")
    first = session(alice)
    assert (first["state"], first["pending_change"]) == ("up", None)

    with watched(stack, "northgate") as relay:
        wait_for(
            lambda: any(one.is_to_server and one.is_application_data for one in relay.passages),
            within_s=FOUND_WITHIN_S,
        )
        wait_for(lambda: session(alice)["since"] > first["since"])
        moved = session(alice)
        assert (moved["state"], moved["pending_change"]) == ("up", None)
        wait_for(lambda: len(control(stack, "northgate", "/state")["sessions"]) == 2)

        relay_port = save(stack, NOBODY)
        change = wait_for(lambda: session(alice)["pending_change"])
        wait_for(lambda: session(alice)["pending_change"]["failure"])
        assert change["changed"] == ["address"]
        assert session(alice)["state"] == "up"
        assert session(alice)["since"] == moved["since"]
        assert shown(alice, request["id"])["status"] == "mitigating"

        save(stack, relay_port)
        wait_for(lambda: session(alice)["pending_change"] is None)
        assert session(alice)["since"] == moved["since"]

    alice.post(f"{REQUESTS}/{request['id']}/terminate")
    wait_for(lambda: shown(alice, request["id"])["status"] == "terminated")
