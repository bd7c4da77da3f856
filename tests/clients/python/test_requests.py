"""`portalctl list`, `show`, `request`, `watch` and `terminate` against documented answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clients.python.stub import (
    BROKEN,
    ID,
    Prepared,
    Run,
    Stub,
    mitigation,
    problem,
    shown,
)

ROOT = Path(__file__).parents[3]
PATH = "/api/v1/organizations/acme/mitigation-requests"
KEY = ["--idempotency-key", "once"]


def test_a_request_sends_each_target_in_its_list(stub: Stub, signed_in: Path) -> None:
    stub.prepare(Prepared(202, shown()))
    targets = ["203.0.113.7", "2001:db8::/48", "shop.example", "https://shop.example/a", ID]

    run = Run(["request", *targets, "--lifetime", "1h", "--reason", "flood"], folder=signed_in)

    [call] = stub.calls
    assert (run.code, call.method, call.path) == (0, "POST", PATH)
    assert call.json == {
        "targets": {
            "prefixes": ["203.0.113.7", "2001:db8::/48"],
            "fqdns": ["shop.example"],
            "uris": ["https://shop.example/a"],
            "resources": [ID],
        },
        "lifetime": 3600,
        "reason": "flood",
    }
    assert call.headers["Authorization"] == "Bearer dmp_secret"
    assert run.out.splitlines()[:2] == ["Amber falcon: requesting", f"  id: {ID}"]


def test_the_error_of_a_field_names_the_argument(stub: Stub, signed_in: Path) -> None:
    errors = [
        {
            "field": "targets.prefixes.1",
            "code": "host-bits-set",
            "message": "Bits of the host are set.",
            "fixes": [{"label": "Use", "value": "203.0.113.0/24"}],
        },
        {"field": "lifetime", "code": "max", "message": "At most 86,400 seconds."},
    ]
    stub.prepare(Prepared(400, problem(400, "invalid", "Correct the fields.", errors=errors)))

    run = Run(
        ["request", "shop.example", "198.51.100.1", "203.0.113.7/24", "--lifetime", "9d"],
        folder=signed_in,
    )

    assert run.code == 1
    assert run.err.splitlines() == [
        "portalctl: Correct the fields.",
        "  203.0.113.7/24: Bits of the host are set.",
        "    write instead: 203.0.113.0/24",
        "  --lifetime: At most 86,400 seconds.",
    ]


def test_a_request_that_would_replace_another_says_how_to_allow_it(
    stub: Stub, signed_in: Path
) -> None:
    replaced = {
        "request": ID,
        "unknown_mitigation": None,
        "name": "Old",
        "providers": ["Northgate"],
    }
    body = problem(409, "would-replace", "It would replace a live request.", replaces=[replaced])
    stub.prepare(Prepared(409, body))

    run = Run(["request", "203.0.113.7"], folder=signed_in)

    assert run.code == 1
    assert f"{ID}  Old, at North" in run.err
    assert f"repeat the command with --replace {ID}" in run.err


def test_an_allowed_replacement_is_sent(stub: Stub, signed_in: Path) -> None:
    stub.prepare(Prepared(202, shown()))

    Run(["request", "203.0.113.7", "--replace", ID], folder=signed_in)

    assert stub.calls[0].json["replaces"] == [ID]


def test_a_reached_quota_says_the_numbers_and_when_to_try_again(
    stub: Stub, signed_in: Path
) -> None:
    body = problem(409, "quota-ending", "Too many are ending.", limit=20, live=3, ending=17)
    stub.prepare(Prepared(409, body, {"Retry-After": "30"}))

    run = Run(["request", "203.0.113.7"], folder=signed_in)

    assert (run.code, len(stub.calls)) == (1, 1)
    assert "limit 20, live 3, ending 17" in run.err
    assert "Try again in 30 s." in run.err


def test_a_request_that_waits_for_approval_says_that_nothing_is_sent(
    stub: Stub, signed_in: Path
) -> None:
    stub.prepare(Prepared(202, shown("awaiting_approval")))

    run = Run(["request", "203.0.113.7"], folder=signed_in)

    assert run.code == 0
    assert "It waits for the approval of a second person. Nothing is sent until then." in run.out


@pytest.mark.parametrize("first", [Prepared(BROKEN), Prepared(503, None)])
def test_a_repeat_after_a_broken_connection_has_the_same_key(
    stub: Stub, signed_in: Path, first: Prepared
) -> None:
    stub.prepare(first, Prepared(202, shown()))

    run = Run(["request", "203.0.113.7"], folder=signed_in)

    keys = [call.headers["Idempotency-Key"] for call in stub.calls]
    assert (run.code, len(keys), len(set(keys))) == (0, 2, 1)
    assert len(run.pauses) == 1


def test_a_request_without_an_answer_ends_with_3_and_names_its_key(
    stub: Stub, signed_in: Path
) -> None:
    stub.prepare(Prepared(BROKEN))

    run = Run(["request", "203.0.113.7", *KEY], folder=signed_in)

    assert (run.code, len(stub.calls)) == (3, 4)
    assert "repeat the command with --idempotency-key once" in run.err


def test_a_token_that_ended_leads_to_the_sign_in(stub: Stub, signed_in: Path) -> None:
    stub.prepare(Prepared(401, problem(401, "not-signed-in", "Sign in first.")))

    run = Run(["list"], folder=signed_in)

    assert run.code == 1
    assert "Run: portalctl sign-in" in run.err


def test_an_answer_of_another_server_is_no_traceback(stub: Stub, signed_in: Path) -> None:
    stub.prepare(Prepared(200, "hello"))

    run = Run(["show", ID], folder=signed_in)

    assert (run.code, run.out) == (1, "")
    assert "does not answer like a portal" in run.err


def test_no_redirect_gets_the_token(stub: Stub, signed_in: Path) -> None:
    stub.prepare(Prepared(302, None, {"Location": f"{stub.url}/elsewhere"}))

    run = Run(["show", ID], folder=signed_in)

    assert (run.code, len(stub.calls)) == (1, 1)


def test_a_refusal_for_a_program_is_the_problem_itself(stub: Stub, signed_in: Path) -> None:
    body = problem(404, "not-found", "This does not exist.")
    stub.prepare(Prepared(404, body))

    run = Run(["show", ID, "--json"], folder=signed_in)

    assert (run.code, json.loads(run.out)) == (1, body)


def test_a_list_is_a_table_of_the_wanted_statuses(stub: Stub, signed_in: Path) -> None:
    stub.prepare(Prepared(200, {"next": None, "previous": None, "results": [shown("in_progress")]}))

    run = Run(["list", "--status", "in_progress,mitigating"], folder=signed_in)

    assert stub.calls[0].path == f"{PATH}?limit=50&status=in_progress%2Cmitigating"
    assert run.out.splitlines() == [
        f"{'ID':36}  STATUS       SINCE                 TARGETS",
        f"{ID}  in progress  2026-11-29 18:00 UTC  203.0.113.7/32",
    ]


def test_control_characters_of_others_do_not_reach_the_terminal(
    stub: Stub, signed_in: Path
) -> None:
    stub.prepare(Prepared(200, shown(reason="\x1b[2Jgone\r\nid: 0")))

    run = Run(["show", ID], folder=signed_in)

    assert "  reason: ?[2Jgone??id: 0" in run.out.splitlines()


def test_terminate_posts_once(stub: Stub, signed_in: Path) -> None:
    stub.prepare(Prepared(202, shown("terminating")))

    run = Run(["terminate", ID], folder=signed_in)

    assert [(call.method, call.path) for call in stub.calls] == [("POST", f"{PATH}/{ID}/terminate")]
    assert (run.code, run.out.splitlines()[0]) == (0, "Amber falcon: terminating")


def ended() -> dict[str, Any]:
    at = "2026-11-29T18:10:00Z"
    return shown("terminated", ended_at=at, mitigations=[mitigation("terminated")])


def test_watch_prints_each_change_once_and_ends_with_the_request(
    stub: Stub, signed_in: Path
) -> None:
    refusal = {"code": "4.03", "reason": "Forbidden"}
    stub.prepare(
        Prepared(200, shown(mitigations=[mitigation("pending")])),
        Prepared(200, shown(mitigations=[mitigation("pending")])),
        Prepared(200, shown("failing", mitigations=[mitigation("refused", refusal)])),
        Prepared(200, ended()),
    )

    run = Run(["watch", ID, "--interval", "5"], folder=signed_in)

    assert (run.code, run.pauses) == (0, [5.0, 5.0, 5.0])
    assert run.out.splitlines() == [
        "requesting",
        "Northgate: pending",
        "failing",
        "Northgate: refused (4.03 Forbidden)",
        "terminated",
        "Northgate: terminated",
    ]


def test_watch_waits_for_a_portal_that_restarts(stub: Stub, signed_in: Path) -> None:
    away = [Prepared(BROKEN), Prepared(502), Prepared(500), *[Prepared(503)] * 5]
    stub.prepare(Prepared(200, shown()), *away, Prepared(200, ended()))

    run = Run(["watch", ID], folder=signed_in)

    assert run.code == 0
    assert len(run.err.splitlines()) == 2
    assert run.err.endswith("portalctl: The portal answers again.\n")


def test_watch_slows_down_as_the_portal_asks(stub: Stub, signed_in: Path) -> None:
    slow = Prepared(429, problem(429, "throttled", "Too many calls."), {"Retry-After": "7"})
    stub.prepare(slow, Prepared(200, ended()))

    run = Run(["watch", ID], folder=signed_in)

    assert (run.code, run.pauses) == (0, [7.0])


def test_watch_until_a_status_ends_there(stub: Stub, signed_in: Path) -> None:
    stub.prepare(Prepared(200, shown()), Prepared(200, shown("mitigating")))

    run = Run(["watch", ID, "--until", "mitigating"], folder=signed_in)

    assert (run.code, run.out.splitlines()) == (0, ["requesting", "mitigating"])


def test_watch_until_a_status_that_never_comes_ends_with_1(stub: Stub, signed_in: Path) -> None:
    stub.prepare(Prepared(200, ended()))

    run = Run(["watch", ID, "--until", "mitigating"], folder=signed_in)

    assert run.code == 1
    assert "ended before it was mitigating" in run.err


def test_watch_of_an_unknown_request_ends_at_once(stub: Stub, signed_in: Path) -> None:
    stub.prepare(Prepared(404, problem(404, "not-found", "This does not exist.")))

    assert Run(["watch", ID], folder=signed_in).code == 1


@pytest.mark.parametrize(
    "words",
    [
        ["show", "../me"],
        ["request", "203.0.113.7", "--lifetime", "soon"],
        ["request", "203.0.113.7", "--idempotency-key", "a\nb"],
        ["watch", ID, "--interval", "0"],
        ["request"],
    ],
)
def test_wrong_arguments_end_with_2_before_anything_is_sent(
    stub: Stub, signed_in: Path, words: list[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        Run(words, folder=signed_in)

    assert (ending.value.code, stub.calls) == (2, [])


def test_a_command_before_the_sign_in_ends_with_2(tmp_path: Path) -> None:
    run = Run(["list"], folder=tmp_path)

    assert run.code == 2
    assert "Sign in first" in run.err


def test_an_output_that_ends_early_is_no_traceback(stub: Stub, signed_in: Path) -> None:
    stub.prepare(Prepared(200, shown()))
    reading, writing = os.pipe()
    os.close(reading)
    places = {"PYTHONPATH": str(ROOT / "clients/python"), "XDG_CONFIG_HOME": str(signed_in)}

    ended = subprocess.run(
        [sys.executable, "-m", "portalctl", "show", ID],
        env=os.environ | places,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=20,
        check=False,
    )
    os.close(writing)

    assert (ended.returncode, ended.stderr) == (1, "")


def test_ctrl_c_ends_with_130(stub: Stub, signed_in: Path) -> None:
    stub.prepare(Prepared(200, shown()))

    assert Run(["watch", ID], folder=signed_in, interrupted=True).code == 130
