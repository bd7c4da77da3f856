from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from local_stack.installation import one_time_code
from tests.integration.stack import CALL_TIMEOUT_S, NO_TLS, wait_for
from tests.scripts.conftest import ROOT, STARTS_WITHIN_S, STOPS_WITHIN_S, Demo, run_demo

pytestmark = pytest.mark.timeout(2 * (STARTS_WITHIN_S + STOPS_WITHIN_S))


def test_the_printed_description_has_the_fields_programs_expect(demo: Demo) -> None:
    described = demo.description()

    roles = {
        (user["username"], user["organization"], user["role"])
        for user in described["users"] + described["unenrolled_users"]
    }
    assert ("alice", "acme", "admin") in roles
    assert ("charlie", "globex", "admin") in roles
    assert [provider["name"] for provider in described["providers"]] == [
        "Northgate Scrubbing",
        "Tidewall",
    ]
    for provider in described["providers"]:
        answer = httpx.get(f"{provider['control']}/state", timeout=CALL_TIMEOUT_S)
        held = answer.json()["mitigations"]
        # Nothing but acme's plan, which the providers may have been asked to hold already.
        assert [one for one in held if one["scope"].get("trigger-mitigation", True)] == []


def test_a_user_can_sign_in_on_the_given_port(demo: Demo) -> None:
    described = demo.description()

    answer = sign_in(described, "charlie")

    assert described["url"] == f"http://127.0.0.1:{demo.port}"
    assert answer.status_code == 201, answer.text


def test_a_detector_reports_an_attack_and_the_terminal_shows_its_notice(demo: Demo) -> None:
    described = demo.description()
    token = sign_in(described, "alice").json()["token"]
    acme = httpx.Client(
        base_url=f"{described['url']}/api/v1/organizations/acme",
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )

    def results(path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = acme.get(path).json()["results"]
        return found

    with acme:
        [proposal] = wait_for(lambda: results("/proposals"), within_s=60)
        wait_for(lambda: results("/channels")[0]["last_success_at"], within_s=60)

    assert proposal["targets"] == ["203.0.113.130/32"]
    assert "notice | Detectors report an attack" in demo.said


def test_a_killed_process_is_started_again(demo: Demo) -> None:
    described = demo.description()
    (web,) = (child for child in demo.children if "uvicorn" in child.cmdline())

    web.kill()
    web.wait(STOPS_WITHIN_S)

    wait_for(lambda: is_healthy(described["url"]), within_s=STARTS_WITHIN_S)
    assert "web exited (signal SIGKILL); starting it again" in demo.said


def test_a_killed_demo_leaves_no_process_behind_and_starts_again_with_its_data(demo: Demo) -> None:
    before = demo.description()
    running = demo.children

    demo.kill()

    _, alive = psutil.wait_procs(running, timeout=STOPS_WITHIN_S)
    assert not alive
    (demo.state / "demo.json").unlink()
    demo.start()
    assert demo.description()["users"] == before["users"]


def test_a_stop_leaves_nothing_behind(demo: Demo) -> None:
    running = demo.children

    demo.process.send_signal(signal.SIGTERM)

    assert demo.process.wait(STOPS_WITHIN_S) == 0, demo.said
    assert "Everything is stopped." in demo.said
    assert not any(child.is_running() for child in running)
    assert not (demo.state / "demo.json").exists()


def test_a_port_in_use_is_named_with_a_free_one(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        process = run_demo(tmp_path, "--port", str(port), output=subprocess.PIPE)
        output, _ = process.communicate(timeout=STARTS_WITHIN_S)

    said = output.decode()
    assert process.returncode == 1
    assert f"Port {port} is used by another program" in said
    assert "scripts/demo --port" in said
    assert "Traceback" not in said


def test_the_code_of_a_user_is_printed_without_starting_anything(tmp_path: Path) -> None:
    said = subprocess.run(
        [ROOT / "scripts/demo", "--state", tmp_path, "--code", "alice"],
        capture_output=True,
        text=True,
        timeout=STARTS_WITHIN_S,
    )

    assert said.returncode == 1
    assert "There is no demo here yet. Start it with: scripts/demo" in said.stderr


def is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", verify=NO_TLS).is_success
    except httpx.TransportError:
        return False


def sign_in(described: dict[str, Any], username: str) -> httpx.Response:
    user = next(user for user in described["users"] if user["username"] == username)
    code, _ = one_time_code(user["totp_secret"])
    return httpx.post(
        f"{described['url']}/api/v1/auth/token",
        json={
            "username": username,
            "password": user["password"],
            "otp": code,
            "device_name": "a test",
        },
        timeout=CALL_TIMEOUT_S,
    )
