"""Commands that ask the server what it holds, before and after."""

from __future__ import annotations

import pytest
from aiocoap import Code

from dots_client import (
    MitigationReport,
    MitigationStatus,
)
from dots_client.cli import safety_checks
from dots_client.cli.main import Exit
from dots_client.codec import encode_reports
from tests.dots_client.cli.conftest import MITIGATE, Shell
from tests.dots_client.client.provider import Answer, answer, silence

NOT_GONE = [status for status in MitigationStatus if status not in (5, 6)]


@pytest.mark.parametrize("status", NOT_GONE, ids=lambda status: status.name)
async def test_withdraw_reports_a_server_that_still_holds_the_mitigation(
    at: Shell, status: MitigationStatus
) -> None:
    at.provider.held = {9: MitigationReport(mid=9, lifetime=60, status=status)}
    at.provider.script.append(answer(Code.DELETED))

    assert await at.run("withdraw", "--mid", "9") == Exit.REFUSED

    out, err = at.output()
    assert out == ""
    assert "! the server confirmed the withdrawal but still holds it: mid 9 is" in err
    assert len(at.provider.asked(Code.GET)) == 1


@pytest.mark.parametrize(
    "says",
    [
        answer(Code.NOT_FOUND, b"gone"),
        answer(Code.INTERNAL_SERVER_ERROR, b"no status"),
        answer(Code.CONTENT, b"\xff", content_format=271),
        silence,
        answer(
            Code.CONTENT,
            encode_reports((MitigationReport(mid=9, status=MitigationStatus.TERMINATING),)),
        ),
    ],
    ids=["gone", "no status", "unreadable", "silence", "terminating"],
)
async def test_an_unknown_outcome_counts_as_withdrawn(
    at: Shell, monkeypatch: pytest.MonkeyPatch, says: Answer
) -> None:
    monkeypatch.setattr(safety_checks, "STILL_HELD_WITHIN_S", 0.2)
    at.provider.script.extend([answer(Code.DELETED), *[says] * 5])

    assert await at.run("withdraw", "--mid", "9") == Exit.DONE

    assert at.output() == ("withdrawn; it may continue for a while\n", "")


@pytest.mark.parametrize("status", [0, 9, 255])
async def test_an_unknown_status_is_printed_with_its_number(at: Shell, status: int) -> None:
    at.provider.script.append(answer(Code.DELETED))
    at.provider.held = {9: MitigationReport(mid=9, lifetime=60, status=status)}

    await at.run("withdraw", "--mid", "9")
    assert f"mid 9 is unknown status {status}." in at.output()[1]

    assert await at.run("status", "--mid", "9") == Exit.DONE
    assert f"status={status}" in at.output()[0]


PRECONFIGURED = (*MITIGATE, "--preconfigured")
TOLD = (*PRECONFIGURED[1:], "--attack", "ongoing")


@pytest.mark.parametrize("command", [PRECONFIGURED, ("efficacy", *TOLD)], ids=lambda one: one[0])
@pytest.mark.parametrize("status", [1, 2, 3, 4])
async def test_a_mitigation_that_a_lost_session_started_is_not_refreshed(
    at: Shell, status: int, command: tuple[str, ...]
) -> None:
    at.provider.held = {1: MitigationReport(mid=1, lifetime=60, status=MitigationStatus(status))}

    assert await at.run(*command) == Exit.USAGE
    assert "! mid 1 has started" in at.output()[1]
    assert at.provider.asked(Code.PUT) == []

    assert await at.run(*command, "--even-if-started") == Exit.DONE
    assert len(at.provider.asked(Code.PUT)) == 1


@pytest.mark.parametrize("status", [None, 5, 6, 7, 8])
async def test_a_held_or_unknown_mitigation_is_sent(at: Shell, status: int | None) -> None:
    if status is not None:
        reported = MitigationStatus(status)
        at.provider.held = {1: MitigationReport(mid=1, lifetime=60, status=reported)}

    assert await at.run(*PRECONFIGURED) == Exit.DONE

    assert len(at.provider.asked(Code.PUT)) == 1


async def test_a_preconfigured_mitigation_of_unknown_status_is_not_sent(at: Shell) -> None:
    at.provider.script.append(answer(Code.INTERNAL_SERVER_ERROR, b"no status"))

    assert await at.run(*PRECONFIGURED) == Exit.REFUSED

    assert at.provider.asked(Code.PUT) == []
