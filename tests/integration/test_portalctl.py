"""portalctl as a process, against the running portal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.integration.stack import Api, Stack, control

ROOT = Path(__file__).parents[2]
COMMAND_TIMEOUT_S = 60


def test_a_token_requests_mitigation_watches_it_and_terminates_it(
    stack: Stack, api_as: Callable[[str], Api], tmp_path: Path
) -> None:
    for provider in ("northgate", "tidewall"):
        behaviour = {"accept": "always", "status_delay_s": 0.2, "attack_ends_after_s": None}
        control(stack, provider, "/behaviour", behaviour)
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "clients/python"),
        "XDG_CONFIG_HOME": str(tmp_path),
    }

    def portalctl(*words: str, code: int = 0, given: str = "") -> tuple[str, str]:
        ended = subprocess.run(
            [sys.executable, "-m", "portalctl", *words],
            input=given,
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        assert ended.returncode == code, ended.stderr
        return ended.stdout, ended.stderr

    token = api_as("alice").token
    portalctl("sign-in", "--portal", stack.url, "--token-from-stdin", given=token)
    words = ["request", "203.0.113.90", "--lifetime", "1h", "--idempotency-key", "once", "--json"]
    first, again = (json.loads(portalctl(*words)[0]) for _ in range(2))
    request_id = first["id"]
    watched, _ = portalctl("watch", request_id, "--until", "mitigating", "--interval", "50")
    listed, _ = portalctl("list", "--status", "mitigating")
    _, repeated = portalctl("request", "203.0.113.90", code=1)
    _, wrong = portalctl("request", "203.0.113.90/24", code=1)
    noted, _ = portalctl("note", request_id, "Watch port 443, @bob.")
    extended, _ = portalctl("extend", request_id, "--lifetime", "2h")
    taken, _ = portalctl("take-over", request_id)
    portalctl("terminate", request_id)
    ended, _ = portalctl("watch", request_id, "--interval", "50")

    assert again["id"] == request_id
    assert "mitigating" in watched.splitlines()
    assert request_id in listed
    assert f"repeat the command with --replace {request_id}" in repeated
    assert "  203.0.113.90/24: " in wrong
    assert noted.endswith("alice: Watch port 443, @bob.\n")
    assert "lifetime: 7200 s" in extended
    assert "responsible: alice" in taken
    assert "terminated" in ended.splitlines()
    assert token not in watched + listed + repeated + wrong + ended
