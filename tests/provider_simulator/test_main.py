from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from dots_client import Server, SessionClosed, connect, cuid_from_certificate
from provider_simulator.__main__ import _parser, main
from provider_simulator.pki import client_credentials
from tests.provider_simulator.desk import scope

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clients(tmp_path: Path) -> Path:
    path = tmp_path / "clients.json"
    path.write_text(json.dumps({"acme": ["203.0.113.0/24"]}))
    return path


@asynccontextmanager
async def serving(pki: Path, clients: Path) -> AsyncIterator[tuple[Process, dict[str, Any]]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "provider_simulator", "serve", "--name", "Northgate"),
        *("--port", "0", "--control-port", "0", "--pki", str(pki), "--clients", str(clients)),
        *("--seed", "1", "--log-level", "WARNING"),
        cwd=ROOT,
        stdout=PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            ports = json.loads(await process.stdout.readline())
        yield process, ports
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_it_serves_says_its_ports_and_ends_with_a_goodbye(pki: Path, clients: Path) -> None:
    credentials = client_credentials(pki, "acme")
    async with (
        serving(pki.parent, clients) as (process, ports),
        connect(
            Server(name="northgate.example", host="127.0.0.1", port=ports["signal"]),
            credentials,
            cuid=cuid_from_certificate(credentials.certificate_chain),
        ) as acme,
    ):
        await acme.request(1, scope())
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports['control']}") as control:
            state = (await control.get("/state")).json()

        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            goodbye = await acme.closed()
            code = await process.wait()

    assert [held["mid"] for held in state["mitigations"]] == [1]
    assert isinstance(goodbye, SessionClosed)
    assert code == 0


def test_certificates_are_made_on_the_command_line(tmp_path: Path) -> None:
    options = ["pki", "--dir", str(tmp_path), "--provider", "northgate", "--client", "acme"]

    assert main(options) == 0

    assert (tmp_path / "northgate" / "client-acme.key").exists()


@pytest.mark.parametrize(
    ("listed", "options", "reason"),
    [
        ('{"acme": ["203.0.113.7/24"]}', [], "is no prefix"),
        ("[]", [], "must hold a JSON object"),
        ("{", [], "Expecting"),
        ("{}", ["--loss", "2"], "loss must be"),
        ("{}", ["--pki", "/nowhere"], "No such file"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(
    pki: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    listed: str,
    options: list[str],
    reason: str,
) -> None:
    path = tmp_path / "clients.json"
    path.write_text(listed)
    usual = ["--name", "Northgate", "--port", "0", "--control-port", "0", "--pki", str(pki)]

    code = main(["serve", *usual, "--clients", str(path), *options])

    assert code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert reason in line


@pytest.mark.rule("SS-001")
def test_it_listens_on_port_4646_unless_told_otherwise() -> None:
    command = ["serve", "--name", "Northgate", "--pki", "pki", "--clients", "clients.json"]

    assert _parser().parse_args(command).port == 4646
    assert _parser().parse_args([*command, "--port", "4700"]).port == 4700
