from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from local_stack.installation import one_time_code
from local_stack.ports import free_port
from tests.integration.stack import wait_for
from tests.scripts.conftest import ROOT, STARTS_WITHIN_S, STOPS_WITHIN_S, Demo

pytestmark = pytest.mark.timeout(2 * (STARTS_WITHIN_S + STOPS_WITHIN_S))


def test_a_user_can_sign_in_to_the_demo_and_a_stop_leaves_nothing_behind(
    demo: Demo, tmp_path: Path
) -> None:
    port = free_port()
    process = demo("--port", str(port))
    described = description(process, tmp_path)
    children = psutil.Process(process.pid).children(recursive=True)

    answer = sign_in(described, "alice")
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=STOPS_WITHIN_S)

    assert described["url"] == f"http://127.0.0.1:{port}"
    assert answer.status_code == 201, answer.text
    assert process.returncode == 0, said
    assert "Everything is stopped." in said
    assert not any(child.is_running() for child in children)
    assert not (tmp_path / "demo.json").exists()


def test_a_killed_demo_leaves_no_process_behind_and_starts_again_with_its_data(
    demo: Demo, state: Path
) -> None:
    first = demo()
    before = description(first, state)
    children = psutil.Process(first.pid).children(recursive=True)

    first.kill()

    _, alive = psutil.wait_procs(children, timeout=STOPS_WITHIN_S)
    assert not alive
    (state / "demo.json").unlink()
    after = description(demo(), state)
    assert after["users"] == before["users"]


def test_a_killed_process_is_started_again(demo: Demo, state: Path) -> None:
    process = demo()
    described = description(process, state)
    (web,) = (
        child for child in psutil.Process(process.pid).children() if "uvicorn" in child.cmdline()
    )

    web.kill()
    web.wait(STOPS_WITHIN_S)

    wait_for(lambda: is_healthy(described["url"]), within_s=STARTS_WITHIN_S)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=STOPS_WITHIN_S)
    assert "web exited (signal SIGKILL); starting it again" in said


def test_the_printed_description_has_the_fields_programs_expect(demo: Demo, state: Path) -> None:
    described = description(demo(), state)

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
        held = httpx.get(f"{provider['control']}/state").json()["mitigations"]
        # Nothing but acme's plan, which the providers may have been asked to hold already.
        assert [one for one in held if one["scope"].get("trigger-mitigation", True)] == []


def test_a_port_in_use_is_named_with_a_free_one(demo: Demo) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        process = demo("--port", str(port))
        said, _ = process.communicate(timeout=STARTS_WITHIN_S)

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


def description(process: subprocess.Popen[str], state: Path) -> dict[str, Any]:
    """The contents of demo.json once it exists; the demo's output if it fails."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        if (state / "demo.json").exists():
            described: dict[str, Any] = json.loads((state / "demo.json").read_text())
            return described
        time.sleep(0.1)
    process.kill()
    pytest.fail(f"The demo did not start:\n{process.communicate()[0]}")


def is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").is_success
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
    )
