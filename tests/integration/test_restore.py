"""A restored backup: the providers know more than the database, and every mitigation they hold is
shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration import backup
from tests.integration.stack import Api, Stack, control, wait_for
from tests.integration.test_main_job import REQUESTS, believed, shown, submit

pytestmark = pytest.mark.timeout(300)

ApiAs = Callable[[str], Api]
PLANS = "organizations/acme/standby-plans"
PLANNED = "203.0.113.48/32"
KNOWN, LOST, ASKED = "203.0.113.20/32", "203.0.113.40/32", "203.0.113.30/32"
MITIGATING = 2
UNKNOWN = "organizations/acme/unknown-mitigations"


@pytest.fixture(scope="module", autouse=True)
def _quick_providers(stack: Stack) -> None:
    for provider in ("northgate", "tidewall"):
        control(stack, provider, "/behaviour", {"status_delay_s": 0.2, "terminating_s": 1})


@pytest.fixture
def restored(stack: Stack, api_as: ApiAs, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The portal after restoring a backup from before LOST was requested and PLANNED was prepared;
    and what Northgate holds, by prefix.
    """
    alice = api_as("alice")
    known = submit(alice, KNOWN)["id"]
    wait_for(lambda: shown(alice, known)["status"] == "mitigating")
    backup.dump(stack, tmp_path / "portal.dump")
    lost = submit(alice, LOST)["id"]
    wait_for(lambda: shown(alice, lost)["status"] == "mitigating")
    alice.post(PLANS, {"name": "Lost plan", "targets": {"prefixes": [PLANNED]}})
    for provider in ("northgate", "tidewall"):
        wait_for(lambda provider=provider: believed(stack, provider, PLANNED))  # type: ignore[misc]

    backup.restore(stack, tmp_path / "portal.dump")
    yield {KNOWN: known, LOST: lost}

    for one in alice.get(REQUESTS)["results"]:
        alice.post(f"{REQUESTS}/{one['id']}/terminate")
    for one in alice.get(UNKNOWN)["results"]:
        alice.post(f"{UNKNOWN}/{one['id']}/withdraw")
    # The portal learns of the end some seconds later: the backup of the next test still has rows of
    # it.
    wait_for(lambda: control(stack, "northgate", "/state")["mitigations"] == [])


@pytest.mark.rule("SC-032")
@pytest.mark.rule("SC-037")
def test_a_request_after_a_restore_gets_an_unused_mid(
    stack: Stack, api_as: ApiAs, restored: dict[str, str]
) -> None:
    alice = api_as("alice")
    [orphan] = believed(stack, "northgate", LOST)
    stack["web"].start()
    stack["web"].wait_until_ready()
    # Submitted before any session is up: its message is the first one sent.
    asked = submit(alice, ASKED)
    assert asked["mitigations"][0]["mid"] == orphan["mid"]

    backup.start(stack)

    wait_for(lambda: shown(alice, asked["id"])["status"] == "mitigating")
    [there] = believed(stack, "northgate", ASKED)
    assert there["mid"] == shown(alice, asked["id"])["mitigations"][0]["mid"] > orphan["mid"]
    [orphan] = believed(stack, "northgate", LOST)
    assert orphan["status"] == MITIGATING
    assert alice.call("GET", f"{REQUESTS}/{restored[LOST]}").status_code == 404


def unknown(api: Api, prefix: str) -> list[dict[str, Any]]:
    """Of Northgate."""
    listed: list[dict[str, Any]] = api.get(UNKNOWN)["results"]
    return [
        one
        for one in listed
        if prefix in one["targets"]["prefixes"] and one["provider"] == "Northgate Scrubbing"
    ]


def orphan_of(stack: Stack, api: Api, prefix: str) -> dict[str, Any]:
    """The unknown mitigation of `prefix` that Northgate holds, once it is shown as the only one."""
    [there] = believed(stack, "northgate", prefix)

    def found() -> dict[str, Any]:
        # A row of the backup may be listed until the provider was asked.
        listed = unknown(api, prefix)
        return listed[0] if [one["mid"] for one in listed] == [there["mid"]] else {}

    return wait_for(found)


def test_a_mitigation_unknown_after_a_restore_is_shown_and_withdrawn(
    stack: Stack, api_as: ApiAs, restored: dict[str, str]
) -> None:
    alice = api_as("alice")
    backup.start(stack)

    orphan = orphan_of(stack, alice, LOST)
    assert (orphan["status"], orphan["asked_by"]) == ("mitigating", None)
    assert unknown(alice, KNOWN) == []
    # The counter is above it before a request is submitted.
    assert submit(alice, ASKED)["mitigations"][0]["mid"] > orphan["mid"]

    for _ in range(2):
        alice.post(f"{UNKNOWN}/{orphan['id']}/withdraw")

    wait_for(lambda: believed(stack, "northgate", LOST) == [])
    wait_for(lambda: unknown(alice, LOST) == [])
    assert alice.get(f"{UNKNOWN}/{orphan['id']}")["ending"] == "gone"
    [known] = believed(stack, "northgate", KNOWN)
    assert known["status"] == MITIGATING


def test_a_plan_still_held_after_a_restore_ends_with_its_lifetime(
    stack: Stack, api_as: ApiAs, restored: dict[str, str]
) -> None:
    control(stack, "northgate", "/behaviour", {"keeps_preconfigured": True})
    alice = api_as("alice")
    backup.start(stack)
    orphan = orphan_of(stack, alice, PLANNED)
    before = control(stack, "northgate", "/requests")["last"]

    alice.post(f"{UNKNOWN}/{orphan['id']}/withdraw")

    wait_for(lambda: believed(stack, "northgate", PLANNED) == [])
    wait_for(lambda: alice.get(f"{UNKNOWN}/{orphan['id']}")["ending"] == "gone")
    requests = control(stack, "northgate", f"/requests?after={before}")["requests"]
    about = [one for one in requests if one["mid"] == orphan["mid"]]
    assert [one["answer"] for one in about if one["method"] == "DELETE"] == ["2.02"]
    (told_again,) = [one for one in about if one["method"] == "PUT"]
    (scope,) = told_again["body"]["ietf-dots-signal-channel:mitigation-scope"]["scope"]
    assert (scope["lifetime"], scope["trigger-mitigation"]) == (1, False)
    control(stack, "northgate", "/behaviour", {"keeps_preconfigured": False})


def test_a_mitigation_unknown_after_a_restore_is_adopted_and_ended_like_any_other(
    stack: Stack, api_as: ApiAs, restored: dict[str, str]
) -> None:
    alice = api_as("alice")
    backup.start(stack)
    orphan = orphan_of(stack, alice, LOST)
    [before] = believed(stack, "northgate", LOST)

    adopted = [alice.post(f"{UNKNOWN}/{orphan['id']}/adopt") for _ in range(2)]

    assert adopted[0]["id"] == adopted[1]["id"]
    assert adopted[0]["status"] == "mitigating"
    alice.post(f"{REQUESTS}/{adopted[0]['id']}/extend", {"lifetime": 7200})
    # Its refresh repeats the scope that the provider holds, under the same mid.
    wait_for(lambda: believed(stack, "northgate", LOST)[0]["lifetime_remaining"] > 3600)
    [after] = believed(stack, "northgate", LOST)
    assert (after["mid"], after["received_at"]) == (before["mid"], before["received_at"])
    assert unknown(alice, LOST) == []

    alice.post(f"{REQUESTS}/{adopted[0]['id']}/terminate")
    wait_for(lambda: shown(alice, adopted[0]["id"])["status"] == "terminated")
    wait_for(lambda: believed(stack, "northgate", LOST) == [])
