from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiocoap import Code

from dots_client import (
    ActivationType,
    ConflictCause,
    ConflictInformation,
    FilterControl,
    MitigationReport,
    MitigationStatus,
    cuid_from_certificate,
)
from dots_client.cli import main
from dots_client.cli.main import Exit
from dots_client.cli.manual import PAGES
from dots_client.codec import decode_request, encode_reports
from tests.dots_client.authority import Authority
from tests.dots_client.cli.conftest import MITIGATE, Shell
from tests.dots_client.client.provider import answer
from tests.dots_client.transport.loopback import until


async def test_mitigate_shows_what_was_granted(at: Shell) -> None:
    assert await at.run(*MITIGATE, "--port", "80-90", "--protocol", "6") == Exit.DONE

    assert at.output() == ("mid=1  lifetime=3600\n", "")
    assert len(at.provider.asked(Code.PUT)) == 1


async def test_results_can_be_read_by_programs(at: Shell) -> None:
    await at.run(*MITIGATE, "--json")

    out, _ = at.output()
    assert json.loads(out) == {"mid": 1, "lifetime": 3600}


async def test_verbose_shows_the_wire(at: Shell) -> None:
    await at.run(*MITIGATE, "--verbose")

    _, err = at.output()
    lines = err.splitlines()
    assert any(line.startswith("= session with 127.0.0.1:") for line in lines)
    assert any(line.startswith("> NON 0.03 /.well-known/dots/mitigate/") for line in lines)
    assert any(line.startswith("< NON 2.01") and '"lifetime": 3600' in line for line in lines)


async def test_verbose_shows_repeats(at: Shell) -> None:
    at.provider.script.append(lambda _request: None)

    await at.run(*MITIGATE, "--verbose")

    _, err = at.output()
    assert "% no answer yet, sent 2 times" in err.splitlines()


async def test_status_of_one_and_all(at: Shell) -> None:
    at.provider.held = {
        mid: MitigationReport(mid=mid, lifetime=60, status=MitigationStatus.MITIGATING)
        for mid in (1, 2)
    }

    assert await at.run("status", "--mid", "2") == Exit.DONE
    one, _ = at.output()
    assert await at.run("status") == Exit.DONE
    both, _ = at.output()

    assert one == "mid=2  lifetime=60  status=attack-successfully-mitigated\n"
    assert len(both.splitlines()) == 2


async def test_watch_continues_until_the_mitigation_is_gone(at: Shell) -> None:
    at.provider.held = {1: MitigationReport(mid=1, lifetime=60)}
    watching = asyncio.create_task(at.run("status", "--mid", "1", "--watch"))
    await until(lambda: at.provider.observer_count == 1)

    at.provider.notify(MitigationStatus.MITIGATING)
    await until(lambda: "status=attack-successfully-mitigated" in at.output()[0])
    at.provider.held.clear()
    at.provider.updated_state()

    assert await watching == Exit.REFUSED
    assert at.output() == ("", "! refused: 4.04 no such mitigation\n")


async def test_withdraw(at: Shell) -> None:
    assert await at.run("withdraw", "--mid", "1") == Exit.DONE

    assert at.output()[0] == "withdrawn; it may continue for a while\n"
    assert len(at.provider.asked(Code.DELETE)) == 1


async def test_efficacy(at: Shell) -> None:
    command = ("efficacy", *MITIGATE[1:], "--attack", "ongoing", "--patience", "1")

    assert await at.run(*command) == Exit.DONE
    at.provider.script.extend([lambda _request: None] * 5)
    assert await at.run(*command) == Exit.UNREACHABLE

    assert "! no answer: the server may not know this mitigation" in at.output()[1]


async def test_config_is_shown_and_changed(at: Shell) -> None:
    assert await at.run("config") == Exit.DONE
    shown, _ = at.output()
    change = ("config", "--set", "idle.heartbeat-interval=60", "--set", "idle.ack-timeout=2.50")
    assert await at.run(*change, "--sid", "9") == Exit.DONE

    assert "idle.heartbeat-interval  max-value=240  min-value=15  current-value=60" in shown
    assert at.provider.asked(Code.PUT)[0].opt.uri_path[-1] == "sid=9"


async def test_config_can_be_reset(at: Shell) -> None:
    assert await at.run("config", "--reset") == Exit.DONE

    assert "idle.heartbeat-interval" in at.output()[0]
    assert [request.code for request in at.provider.requests] == [Code.DELETE, Code.GET]


async def test_ping_times_heartbeats(at: Shell) -> None:
    assert await at.run("ping", "--count", "2") == Exit.DONE

    out, _ = at.output()
    assert [line.split()[0] for line in out.splitlines()] == ["answered", "answered"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (Code.UNAUTHORIZED, "! refused: 4.01 could not get peer common name\n"),
        (Code.NOT_FOUND, "! refused: 4.04 could not get peer common name\n"),
        (
            Code.INTERNAL_SERVER_ERROR,
            "! refused for now: 5.00 could not get peer common name (retry in 60 s)\n",
        ),
    ],
)
async def test_a_refused_ping_shows_what_the_server_said(at: Shell, code: Code, words: str) -> None:
    at.provider.heartbeat_answer = answer(code, b"could not get peer common name")

    assert await at.run("ping") == Exit.REFUSED

    assert at.output() == ("", words)


async def test_cuid_needs_no_server(at: Shell, authority: Authority, files: Path) -> None:
    assert await at.run("cuid") == Exit.DONE

    expected = cuid_from_certificate((files / "client.crt").read_bytes())
    assert at.output()[0] == f"{expected}\n"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (Code.BAD_REQUEST, "! refused: 4.00 because\n"),
        (Code.SERVICE_UNAVAILABLE, "! refused for now: 5.03 because (retry in 60 s)\n"),
    ],
)
async def test_a_refusal_is_exit_status_1(at: Shell, code: Code, words: str) -> None:
    at.provider.script.append(answer(code, b"because"))

    assert await at.run(*MITIGATE) == Exit.REFUSED

    assert at.output() == ("", words)


async def test_a_refusal_in_json_has_its_code(at: Shell) -> None:
    at.provider.script.append(answer(Code.BAD_REQUEST, b"because"))

    await at.run(*MITIGATE, "--json")

    assert json.loads(at.output()[0]) == {"error": "refused: 4.00 because", "code": "4.00"}


async def test_an_answer_that_violates_the_protocol_is_exit_status_1(at: Shell) -> None:
    at.provider.script.append(answer(Code.CONTENT, b"\xff"))

    assert await at.run("status", "--mid", "1") == Exit.REFUSED


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("mitigate", "--mid", "1", "--prefix", "127.0.0.0/8"), "loopback"),
        (("mitigate", "--mid", "1"), "target"),
        (("config", "--sid", "1", "--set", "idle.nonsense=1"), "idle.nonsense"),
        (("config", "--sid", "1", "--set", "idle.probing-rate=fast"), "is not a number"),
        (("status", "--server", "[::1", "--mid", "1"), "is not [address]:port"),
        (("status", "--server", "host:99999", "--mid", "1"), "is not a port"),
        (("status", "--cert", "/nowhere/client.crt"), "/nowhere/client.crt cannot be read"),
    ],
)
async def test_local_errors_are_exit_status_2(at: Shell, argv: tuple[str, ...], words: str) -> None:
    assert await at.run(*argv) == Exit.USAGE

    assert words in at.output()[1]


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("nonsense",),
        ("mitigate",),
        ("mitigate", "--mid", "-1"),
        ("mitigate", "--mid", "1", "--port", "http"),
        ("mitigate", "--mid", "1", "--protocol", "300"),
        ("ping", "--count", "0"),
        ("status", "--watch"),
        ("config", "--set", "idle.heartbeat-interval=60"),
        ("status", "--patience", "soon"),
        ("mitigate", "--mid", "1", "--acl", "partners=off"),
        ("mitigate", "--mid", "1", "--acl", "=deactivate"),
        ("codec",),
        ("config", "--reset", "--set", "idle.probing-rate=10"),
        ("codec", "--to-json", "--to-cbor"),
    ],
)
def test_an_invalid_command_line_is_exit_status_2(
    files: Path, argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)

    assert ended.value.code == Exit.USAGE
    assert "usage:" in capsys.readouterr().err


def test_a_missing_option_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DOTS_SERVER", raising=False)

    with pytest.raises(SystemExit):
        main(["status"])

    assert "--server is missing (or DOTS_SERVER in the environment)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("conflict", "advice"),
    [
        (
            ConflictInformation(cause=ConflictCause.OVERLAPPING_TARGETS, mid=9),
            (
                "overlapping targets (your own mid 9 has these targets: use a higher --mid, or "
                "withdraw it)"
            ),
        ),
        (
            ConflictInformation(cause=ConflictCause.OVERLAPPING_TARGETS, retry_timer_s=600),
            "overlapping targets (retry in 600 s)",
        ),
        (
            ConflictInformation(cause=ConflictCause.CUID_COLLISION),
            "cuid collision (another client has this cuid: choose one with --cuid)",
        ),
        (ConflictInformation(), "unknown conflict"),
    ],
)
async def test_a_conflict_is_reported_with_advice(
    at: Shell, conflict: ConflictInformation, advice: str
) -> None:
    body = encode_reports([MitigationReport(conflict=conflict)])
    at.provider.script.append(answer(Code.CONFLICT, body, content_format=271))

    assert await at.run(*MITIGATE) == Exit.REFUSED

    assert at.output() == ("", f"! refused: 4.09 {advice}\n")


@pytest.mark.rule("SC-128")
async def test_a_scope_that_is_too_large_is_split_over_several_mids(at: Shell) -> None:
    prefixes = [f"2001:db8:{number:x}::/48" for number in range(1, 121)]
    targets = [argument for prefix in prefixes for argument in ("--prefix", prefix)]

    assert await at.run("mitigate", "--mid", "5", *targets) == Exit.USAGE
    assert "split its targets" in at.output()[1]
    assert await at.run("mitigate", "--mid", "5", "--split", *targets) == Exit.DONE

    requests = [decode_request(request.payload) for request in at.provider.asked(Code.PUT)]
    assert at.output()[0] == "".join(
        f"mid={mid}  lifetime=3600\n" for mid, _ in enumerate(requests, start=5)
    )
    assert sorted(at.provider.held) == [5, 6]
    assert [prefix for scope in requests for prefix in scope.targets.target_prefix] == prefixes


async def test_a_scope_that_fits_is_not_split(at: Shell) -> None:
    assert await at.run(*MITIGATE, "--split") == Exit.DONE

    assert len(at.provider.asked(Code.PUT)) == 1


async def test_filters_are_switched_by_name(at: Shell) -> None:
    assert await at.run(*MITIGATE, "--acl", "partners=deactivate", "--acl", "limits") == Exit.DONE

    (request,) = at.provider.asked(Code.PUT)
    assert decode_request(request.payload).acl_list == (
        FilterControl(acl_name="partners", activation_type=ActivationType.DEACTIVATE),
        FilterControl(acl_name="limits"),
    )


@pytest.mark.parametrize("command", sorted(PAGES))
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    shown = capsys.readouterr().out
    assert ended.value.code == Exit.DONE
    assert PAGES[command].description in shown
    assert f"python -m dots_client {command}" in shown
    assert "exit status:" in shown


@pytest.fixture
def deserted_port() -> Iterator[int]:
    """A port where nothing listens and no connection begins: TCP would connect such a port to
    itself.
    """
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        port: int = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        udp.close()
        yield port


async def test_an_unreachable_server_is_exit_status_3(at: Shell, deserted_port: int) -> None:
    status = await at.run("status", "--server", f"127.0.0.1:{deserted_port}")

    assert status == Exit.UNREACHABLE
    assert "! nothing listens at 127.0.0.1:" in at.output()[1]


async def test_a_server_with_another_name_is_exit_status_3(at: Shell) -> None:
    assert await at.run("status", "--name", "evil.example") == Exit.UNREACHABLE

    assert "not for evil.example" in at.output()[1]


async def test_silence_is_exit_status_3(at: Shell) -> None:
    at.provider.script.extend([lambda _request: None] * 9)

    assert await at.run(*MITIGATE, "--patience", "1") == Exit.UNREACHABLE

    assert "no answer within 1 s" in at.output()[1]


def test_the_command_runs_as_a_module() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "dots_client", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 0
    assert "exit status:" in ended.stdout
    assert "DOTS_CERT" in ended.stdout
