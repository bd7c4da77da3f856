"""A backup is restored: the providers know more than the database, and nothing that they do goes unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration import backup
from tests.integration.stack import Api, Databases, Stack, control, wait_for
from tests.integration.test_main_job import REQUESTS, believed, shown, submit

ApiAs = Callable[[str], Api]
KNOWN, LOST, ASKED = "203.0.113.20/32", "203.0.113.40/32", "203.0.113.30/32"
MITIGATING = 2


@pytest.fixture(scope="module")
def stack(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(
        tmp_path_factory.mktemp("restore"), database_url=databases.make("portal_restore")
    ) as stack:
        for provider in ("northgate", "tidewall"):
            control(stack, provider, "/behaviour", {"status_delay_s": 0.2, "terminating_s": 1})
        yield stack


@pytest.fixture
def restored(stack: Stack, api_as: ApiAs, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The portal stands, of a backup from before LOST was asked for; what Northgate holds, by prefix."""
    alice = api_as("alice")
    known = submit(alice, KNOWN)["id"]
    wait_for(lambda: shown(alice, known)["status"] == "mitigating")
    backup.dump(stack, tmp_path / "portal.dump")
    lost = submit(alice, LOST)["id"]
    wait_for(lambda: shown(alice, lost)["status"] == "mitigating")

    backup.restore(stack, tmp_path / "portal.dump")
    yield {KNOWN: known, LOST: lost}

    control(stack, "northgate", "/forget", {})


def test_a_request_after_a_restore_gets_a_mid_that_is_free(
    stack: Stack, api_as: ApiAs, restored: dict[str, str]
) -> None:
    alice = api_as("alice")
    [orphan] = believed(stack, "northgate", LOST)
    stack["web"].start()
    stack["web"].wait_until_ready()
    # Asked before any session is there: its message is the first that leaves.
    asked = submit(alice, ASKED)
    assert asked["mitigations"][0]["mid"] == orphan["mid"]

    backup.start(stack)

    wait_for(lambda: shown(alice, asked["id"])["status"] == "mitigating")
    [there] = believed(stack, "northgate", ASKED)
    assert there["mid"] == shown(alice, asked["id"])["mitigations"][0]["mid"] > orphan["mid"]
    [orphan] = believed(stack, "northgate", LOST)
    assert orphan["status"] == MITIGATING
    assert alice.call("GET", f"{REQUESTS}/{restored[LOST]}").status_code == 404
