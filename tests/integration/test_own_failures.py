"""Requests that the portal cannot send and answers that it cannot save: the page says so, and the
next provider helps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
import pytest

from tests.integration.stack import Api, Pages, Stack, control, wait_for

ApiAs = Callable[[str], Api]
REQUESTS = "organizations/acme/mitigation-requests"
WATCHED_S = 5.0
"""Longer than the pause after which an unanswered request was repeated."""


@pytest.fixture(scope="module")
def bob(stack: Stack) -> Iterator[Pages]:
    pages = Pages(stack, "bob")
    yield pages
    pages.close()


@contextmanager
def changed(stack: Stack, begin: LiteralString, end: LiteralString) -> Iterator[None]:
    """A database with rows of an older release, or one that refuses some rows."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(begin)
        try:
            yield
        finally:
            connection.execute(end)


def submit(api: Api, prefix: str, **more: Any) -> str:
    answer: dict[str, Any] = api.post(REQUESTS, {"targets": {"prefixes": [prefix]}, **more})
    return str(answer["id"])


def provider_cards(api: Api, request_id: str) -> dict[str, dict[str, Any]]:
    return {one["provider"]: one for one in api.get(f"{REQUESTS}/{request_id}")["mitigations"]}


def asked(stack: Stack, provider: str, prefix: str) -> list[Any]:
    """The messages about `prefix` that arrived at a provider."""
    state = control(stack, provider, "/state")
    return [one for one in state["mitigations"] if prefix in one["scope"]["target-prefix"]]


def test_an_encoding_failure_is_shown_and_the_next_provider_asked(
    stack: Stack, api_as: ApiAs, bob: Pages
) -> None:
    alice, prefix = api_as("alice"), "203.0.113.40/32"
    rows_of_before = changed(
        stack,
        """
        CREATE FUNCTION two_of_80() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN NEW.ports = '[{"lower": 80, "upper": 80}, {"lower": 80, "upper": 90}]'; RETURN NEW; END $$;
        CREATE TRIGGER two_of_80 BEFORE INSERT ON mitigations_mitigationrequest
        FOR EACH ROW EXECUTE FUNCTION two_of_80()
        """,
        "DROP TRIGGER two_of_80 ON mitigations_mitigationrequest; DROP FUNCTION two_of_80",
    )
    with rows_of_before:
        request_id = submit(alice, prefix)

    wait_for(lambda: len(provider_cards(alice, request_id)) == 2)
    wait_for(
        lambda: {one["status"] for one in provider_cards(alice, request_id).values()} == {"refused"}
    )
    for one in provider_cards(alice, request_id).values():
        assert one["refusal"] == {"code": "not-sendable", "reason": "80 occurs twice"}
        assert one["sent_at"] is None
    page = bob.text(f"/organizations/acme/requests/{request_id}")
    assert "The portal could not send this to Northgate" in page
    assert "acting already" not in page
    time.sleep(WATCHED_S)
    assert asked(stack, "northgate", prefix) == asked(stack, "tidewall", prefix) == []
    log = (stack.directory / "log" / "signal-1.log").read_text()
    assert log.count("REQUEST cannot be sent") == 2
    alice.post(f"{REQUESTS}/{request_id}/terminate")


def test_a_failure_to_save_an_answer_is_shown_and_the_next_provider_asked(
    stack: Stack, api_as: ApiAs, bob: Pages
) -> None:
    alice, prefix = api_as("alice"), "203.0.113.41/32"
    refuses = changed(
        stack,
        (
            "ALTER TABLE mitigations_mitigation ADD CONSTRAINT odd CHECK (status <> 'refused') "
            "NOT VALID"
        ),
        "ALTER TABLE mitigations_mitigation DROP CONSTRAINT odd",
    )
    control(stack, "northgate", "/behaviour", {"accept": "refuse", "refuse_code": "4.03"})
    with refuses:
        request_id = submit(alice, prefix)
        wait_for(lambda: provider_cards(alice, request_id)["Northgate Scrubbing"]["unsaved_at"])
        page = bob.text(f"/organizations/acme/requests/{request_id}")
        assert "The portal could not save Northgate’s answer" in page
        assert "no answer" not in page
        wait_for(lambda: "Tidewall" in provider_cards(alice, request_id))
    control(stack, "northgate", "/behaviour", {"accept": "always"})
    alice.post(f"{REQUESTS}/{request_id}/terminate")
