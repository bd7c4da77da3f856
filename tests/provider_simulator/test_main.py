from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from dots_client import (
    Client,
    Server,
    ServerUnavailable,
    SessionClosed,
    connect,
    cuid_from_certificate,
)
from provider_simulator.__main__ import _parser, main
from provider_simulator.pki import client_credentials
from tests.provider_simulator.offline import scope

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clients(tmp_path: Path) -> Path:
    path = tmp_path / "clients.json"
    path.write_text(json.dumps({"acme": ["203.0.113.0/24"]}))
    return path


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """The list of clients for a provider and for a gateway to it."""
    path = tmp_path / "both.json"
    path.write_text(json.dumps({"acme": ["203.0.113.0/24"], "edge-1": ["203.0.113.0/24"]}))
    return path


@asynccontextmanager
async def serving(
    pki: Path,
    clients: Path,
    command: str = "serve",
    name: str = "Northgate",
    more: Sequence[str] = ("--seed", "1"),
) -> AsyncIterator[tuple[Process, dict[str, Any]]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "provider_simulator", command, "--name", name),
        *("--port", "0", "--control-port", "0", "--pki", str(pki), "--clients", str(clients)),
        *("--log-level", "WARNING", *more),
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


async def test_the_simulator_prints_its_ports_and_closes_sessions_when_it_stops(
    pki: Path, clients: Path
) -> None:
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


async def test_a_gateway_started_from_the_command_line_forwards_requests(
    tmp_path: Path, both: Path
) -> None:
    options = ["pki", "--dir", str(tmp_path), "--provider", "northgate", "--provider", "edge-1"]
    main([*options, "--client", "acme", "--client", "edge-1"])
    credentials = client_credentials(tmp_path / "edge-1", "acme")
    async with serving(tmp_path, both) as (_, behind):
        upstream = ["--upstream", f"127.0.0.1:{behind['signal']}"]
        more = [*upstream, "--upstream-name", "northgate.example", "--no-cdid", "--seed", "1"]
        more += ["--upstream-pki", str(tmp_path / "northgate")]
        async with (
            serving(tmp_path, both, "gateway", "edge-1", more) as (process, ports),
            connect(
                Server(name="edge-1.example", host="127.0.0.1", port=ports["signal"]),
                credentials,
                cuid=cuid_from_certificate(credentials.certificate_chain),
            ) as acme,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{behind['control']}") as control,
        ):
            async with asyncio.timeout(30):
                await _granted(acme)
            state = (await control.get("/state")).json()
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                code = await process.wait()

    assert [(held["client"], held["mid"]) for held in state["mitigations"]] == [("edge-1", 1)]
    assert code == 0


async def _granted(client: Client) -> None:
    """A gateway that has just started needs a moment for its session upstream."""
    try:
        await client.request(1, scope())
    except ServerUnavailable:
        await asyncio.sleep(0.2)
        await _granted(client)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--upstream", "nowhere"], "must be HOST:PORT"),
        (["--upstream", "127.0.0.1:4646", "--hop-limit", "0"], "Hop-Limit must be 1 to 255"),
        (["--upstream", "127.0.0.1:4646", "--name", "edge 1"], "must be one word"),
        (["--upstream", "127.0.0.1:4646", "--upstream-pki", "/nowhere"], "No such file"),
    ],
)
def test_invalid_options_of_a_gateway_are_reported_in_one_line(
    pki: Path, clients: Path, capsys: pytest.CaptureFixture[str], options: list[str], reason: str
) -> None:
    usual = ["--name", "acme", "--port", "0", "--control-port", "0", "--pki", str(pki)]

    code = main(
        ["gateway", *usual, "--clients", str(clients), "--upstream-pki", str(pki), *options]
    )

    assert code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert reason in line


def test_certificates_are_made_on_the_command_line(tmp_path: Path) -> None:
    options = ["pki", "--dir", str(tmp_path), "--provider", "northgate", "--client", "acme"]

    assert main(options) == 0

    assert (tmp_path / "northgate" / "client-acme.key").exists()


@pytest.mark.parametrize(
    ("listed", "options", "reason"),
    [
        ('{"acme": ["203.0.113.7/24"]}', [], "is not a prefix"),
        ("[]", [], "must hold a JSON object"),
        ("{", [], "Expecting"),
        ("{}", ["--loss", "2"], "loss must be"),
        ("{}", ["--pki", "/nowhere"], "No such file"),
    ],
)
def test_invalid_options_of_a_provider_are_reported_in_one_line(
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
def test_the_simulator_listens_on_port_4646_by_default() -> None:
    command = ["serve", "--name", "Northgate", "--pki", "pki", "--clients", "clients.json"]

    assert _parser().parse_args(command).port == 4646
    assert _parser().parse_args([*command, "--port", "4700"]).port == 4700
