"""`portalctl extend`, `approve`, `decline`, `note` and `take-over` against documented answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.python.stub import BROKEN, ID, Prepared, Run, Stub, problem, shown

PATH = f"/api/v1/organizations/acme/mitigation-requests/{ID}"
DIGEST = "0a" * 32
APPROVAL = {"preview": DIGEST, "lines": ["Northgate, at once:", "203.0.113.7/32 \x1b[2J"]}
WAITS = shown("awaiting_approval", approval=APPROVAL)
STALE = Prepared(403, problem(403, "fresh-factor-required", "This needs a fresh code."))
NOTE = {"id": ID, "at": "2026-11-29T18:00:00Z", "by": "alice", "text": "Watch\nport 443 \x1b[2J"}


def posted(stub: Stub) -> list[tuple[str, Any]]:
    return [
        (one.path, one.json if one.body else None) for one in stub.calls if one.method == "POST"
    ]


def test_extend_asks_for_the_new_lifetime(stub: Stub, signed_in: Path) -> None:
    stub.prepare(Prepared(202, shown("mitigating", lifetime=7200)))

    run = Run(["extend", ID, "--lifetime", "2h"], folder=signed_in)

    assert run.code == 0
    assert posted(stub) == [(f"{PATH}/extend", {"lifetime": 7200})]
    assert "lifetime: 7200 s" in run.out


def test_approve_shows_what_it_sends_and_names_it(stub: Stub, signed_in: Path) -> None:
    stub.prepare(Prepared(200, WAITS), Prepared(202, shown()))

    run = Run(["approve", ID], folder=signed_in, typed=["yes"])

    assert run.code == 0
    assert posted(stub) == [(f"{PATH}/approve", {"preview": DIGEST})]
    assert "Northgate, at once:" in run.err
    assert "\x1b" not in run.err


@pytest.mark.parametrize("answer", ["", "no", "y"])
def test_approve_sends_nothing_without_yes(stub: Stub, signed_in: Path, answer: str) -> None:
    stub.prepare(Prepared(200, WAITS))

    run = Run(["approve", ID], folder=signed_in, typed=[answer])

    assert run.code == 2
    assert posted(stub) == []


def test_a_program_names_what_it_approves(stub: Stub, signed_in: Path) -> None:
    stub.prepare(Prepared(200, WAITS))

    without = Run(["approve", ID], folder=signed_in, stdin="")
    with pytest.raises(SystemExit) as wrong:
        Run(["approve", ID, "--preview", "x"], folder=signed_in)
    stub.prepare(Prepared(202, shown()))
    named = Run(["approve", ID, "--preview", DIGEST], folder=signed_in, stdin="")

    assert (without.code, wrong.value.code, named.code) == (2, 2, 0)
    assert posted(stub) == [(f"{PATH}/approve", {"preview": DIGEST})]


def test_a_request_that_does_not_wait_is_refused_before_anything_is_sent(
    stub: Stub, signed_in: Path
) -> None:
    stub.prepare(Prepared(200, shown("mitigating", approval=None)))

    run = Run(["approve", ID], folder=signed_in)

    assert run.code == 1
    assert posted(stub) == []


def test_a_new_code_makes_the_second_factor_fresh(stub: Stub, signed_in: Path) -> None:
    stub.prepare(STALE, Prepared(200, {"fresh_until": "x"}), Prepared(202, shown("declined")))

    run = Run(["decline", ID, "--reason", "a drill"], folder=signed_in, typed=["123456"])

    assert run.code == 0
    assert posted(stub) == [
        (f"{PATH}/decline", {"reason": "a drill"}),
        ("/api/v1/auth/step-up", {"otp": "123456"}),
        (f"{PATH}/decline", {"reason": "a drill"}),
    ]


def test_a_program_cannot_give_a_code(stub: Stub, signed_in: Path) -> None:
    stub.prepare(STALE)

    run = Run(["decline", ID, "--reason", "a drill"], folder=signed_in, stdin="")

    assert run.code == 1
    assert "This needs a fresh code." in run.err
    assert len(stub.calls) == 1


def test_a_wrong_code_is_shown_and_not_repeated(stub: Stub, signed_in: Path) -> None:
    error = {"field": "otp", "code": "code-mismatch", "message": "That code did not match."}
    stub.prepare(STALE, Prepared(400, problem(400, "invalid", "Wrong.", errors=[error])))

    run = Run(["decline", ID, "--reason", "a drill"], folder=signed_in, typed=["000000"])

    assert run.code == 1
    assert "the code: That code did not match." in run.err
    assert len(stub.calls) == 2


def test_a_changed_preview_is_shown_with_its_name(stub: Stub, signed_in: Path) -> None:
    changed = problem(
        409, "preview-changed", "Nothing was sent.", after=["Tidewall, at once:"], preview="b" * 64
    )
    stub.prepare(Prepared(409, changed))

    run = Run(["approve", ID, "--preview", DIGEST], folder=signed_in, stdin="")

    assert run.code == 1
    assert "Tidewall, at once:" in run.err
    assert f"--preview {'b' * 64}" in run.err


@pytest.mark.parametrize(("words", "stdin"), [(["Watch\nport 443"], None), ([], "Watch\nport 443")])
def test_a_note_is_an_argument_or_the_standard_input(
    stub: Stub, signed_in: Path, words: list[str], stdin: str | None
) -> None:
    stub.prepare(Prepared(201, NOTE))

    run = Run(["note", ID, *words], folder=signed_in, stdin=stdin)

    assert run.code == 0
    assert posted(stub) == [(f"{PATH}/notes", {"text": "Watch\nport 443"})]
    assert run.out == "2026-11-29 18:00 UTC alice: Watch\n  port 443 ?[2J\n"


def test_a_repeated_note_has_the_same_key(stub: Stub, signed_in: Path) -> None:
    stub.prepare(Prepared(BROKEN), Prepared(503, None), Prepared(201, NOTE))

    run = Run(["note", ID, "x", "--json"], folder=signed_in)

    assert run.code == 0
    assert len({one.headers["Idempotency-Key"] for one in stub.calls}) == 1
    assert json.loads(run.out) == NOTE


def test_a_note_without_an_answer_names_its_key(stub: Stub, signed_in: Path) -> None:
    stub.prepare(Prepared(BROKEN))

    run = Run(["note", ID, "x"], folder=signed_in)

    assert run.code == 3
    assert f"--idempotency-key {stub.calls[0].headers['Idempotency-Key']}" in run.err


def test_a_refused_note_names_its_argument(stub: Stub, signed_in: Path) -> None:
    error = {"field": "text", "code": "too-long", "message": "At most 2,000 are allowed."}
    stub.prepare(Prepared(400, problem(400, "invalid", "Correct it.", errors=[error])))

    run = Run(["note", ID, "x" * 3000], folder=signed_in)

    assert run.code == 1
    assert "TEXT: At most 2,000 are allowed." in run.err


def test_a_request_says_that_the_responsible_person_left(stub: Stub, signed_in: Path) -> None:
    stub.prepare(Prepared(200, shown("mitigating", responsible=None, responsible_left="alice")))

    assert "responsible: no one; alice left" in Run(["take-over", ID], folder=signed_in).out


def test_take_over_shows_who_is_responsible(stub: Stub, signed_in: Path) -> None:
    taken = shown("mitigating", responsible="alice", responsible_since="2026-11-29T18:00:00Z")
    stub.prepare(Prepared(200, taken))

    run = Run(["take-over", ID], folder=signed_in)

    assert run.code == 0
    assert posted(stub) == [(f"{PATH}/take-over", None)]
    assert "responsible: alice, since 2026-11-29 18:00 UTC" in run.out
