from __future__ import annotations

from typing import Any

import pytest

from dots_client import Refused
from tests.provider_simulator.conftest import Running
from tests.provider_simulator.offline import scope


async def test_the_state_of_an_idle_provider_is_empty(running: Running) -> None:
    state = (await running.control.get("/state")).json()

    assert state == {
        "mitigations": [],
        "sessions": [],
        "observers": 0,
        "requests_seen": 0,
        "flips_sent": 0,
    }


async def test_a_healthy_provider_reports_health(running: Running) -> None:
    health = (await running.control.get("/healthz")).json()

    assert health == {"status": "ok", "name": "Northgate", "signal_port": running.signal.port}


async def test_the_behaviour_can_be_read_and_changed(running: Running) -> None:
    changed = await running.control.post("/behaviour", json={"attack_ends_after_s": 9})

    assert changed.json()["attack_ends_after_s"] == 9
    assert (await running.control.get("/behaviour")).json() == changed.json()


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/behaviour", b'{"loss": 2}', "loss must be a number from 0 to 1, not 2"),
        ("/behaviour", b"{", "the body is not JSON"),
        ("/behaviour", b"\xff", "the body is not JSON"),
        ("/clients/new", b"{}", "the body must be a list of prefixes, names and URIs"),
        ("/clients/new", b"[7]", "the body must be a list of prefixes, names and URIs"),
        ("/clients/new", b'["not a name"]', "'not a name' is not a prefix"),
        ("/mitigations/x/1/status", b"[]", "status must be a number from 1 to 8"),
        ("/mitigations/x/1/status", b'{"status": 9}', "status must be a number from 1 to 8"),
        ("/mitigations/x/1/status", b'{"status": [7]}', "status must be a number from 1 to 8"),
        (
            "/mitigations/x/1/status",
            b'{"status": 7, "retry_timer_s": -1}',
            "retry_timer_s must be a number",
        ),
        (
            "/mitigations/x/1/status",
            b'{"status": 3, "retry_timer_s": 5}',
            "retry_timer_s goes with status 7",
        ),
    ],
)
async def test_a_wrong_value_is_refused_with_the_reason(
    running: Running, path: str, body: bytes, reason: str
) -> None:
    answer = await running.control.post(path, content=body)

    assert answer.status_code == 400
    assert reason in answer.json()["error"]


async def test_the_status_of_an_unknown_mitigation_cannot_be_set(running: Running) -> None:
    answer = await running.control.post("/mitigations/x/1/status", json={"status": 3})

    assert answer.status_code == 404


async def test_a_status_may_be_given_by_its_label_and_with_a_retry_timer(
    running: Running,
) -> None:
    async with running.client() as acme:
        await acme.request(1, scope())
        path = f"/mitigations/{acme.cuid}/1/status"

        by_label = await running.control.post(path, json={"status": "attack-stopped"})
        withdrawn = await running.control.post(path, json={"status": 7, "retry_timer_s": 60})
        report = await acme.status(1)

    assert (by_label.json()["status"], withdrawn.json()["status"]) == (3, 7)
    assert report.conflict is not None
    assert report.conflict.retry_timer_s == 60


async def entries(running: Running, after: int = 0) -> list[dict[str, Any]]:
    answer = await running.control.get("/requests", params={"after": after})
    listed: list[dict[str, Any]] = answer.json()["requests"]
    return listed


async def test_received_requests_are_listed_with_their_time(running: Running) -> None:
    async with running.client() as acme:
        await acme.request(1, scope())
        [put] = [entry for entry in await entries(running) if entry["mid"] == 1]
        await acme.status(1)
        later = await entries(running, after=put["n"])

    assert (put["method"], put["cuid"], put["answer"]) == ("PUT", acme.cuid, "2.01")
    assert abs(put["at"] - running.signal.now()) < 60
    [lifetime] = [
        held["lifetime"]
        for held in put["body"]["ietf-dots-signal-channel:mitigation-scope"]["scope"]
    ]
    assert lifetime == 3600
    assert all(entry["n"] > put["n"] for entry in later)
    assert any(entry["method"] == "GET" and entry["mid"] == 1 for entry in later)


async def test_the_number_to_list_from_must_be_an_integer(running: Running) -> None:
    answer = await running.control.get("/requests", params={"after": "x"})

    assert answer.status_code == 400


async def test_a_client_may_request_what_its_new_contract_covers(running: Running) -> None:
    async with running.client("stranger") as stranger:
        with pytest.raises(Refused, match="no contract"):
            await stranger.request(1, scope("203.0.113.7/32"))
        await running.control.post("/clients/stranger", json=["203.0.113.0/28"])
        await stranger.request(2, scope("203.0.113.7/32"))
        with pytest.raises(Refused, match=r"203\.0\.113\.16"):
            await stranger.request(3, scope("203.0.113.16/32"))
        report = await stranger.status(2)

    assert report.mid == 2
