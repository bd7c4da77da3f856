from __future__ import annotations

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import dots_server
from dots_client import (
    Client,
    MitigationStatus,
    Scope,
    Server,
    Targets,
    connect,
    cuid_from_certificate,
)
from provider_simulator.pki import client_credentials, make_pki

ROOT = Path(__file__).parents[2]
HELP = Scope(targets=Targets(target_prefix=("203.0.113.7/32",)), lifetime=600)
MAX_LINES = 40
"""Of code."""
LISTENING = b"listening on port "


def example() -> str:
    readme = Path(dots_server.__file__).with_name("README.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    return str(code)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    make_pki(tmp_path, providers=["northgate"], clients=["acme"])
    path = tmp_path / "server.py"
    path.write_text(example())
    return path


@asynccontextmanager
async def serving(program: Path) -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
    """Its output, and its port. SIGTERM ends it."""
    directory = program.parent
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(program), str(directory / "northgate"), "0"),
        str(directory / "register.json"),
        env={"PYTHONPATH": str(ROOT)},
        stdout=PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            line = await process.stdout.readline()
            while not line.startswith(LISTENING):
                line = await process.stdout.readline()
        yield process.stdout, int(line.removeprefix(LISTENING))
        process.terminate()
        async with asyncio.timeout(20):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def acme(program: Path, port: int) -> AsyncIterator[Client]:
    credentials = client_credentials(program.parent / "northgate", "acme")
    async with connect(
        Server(name="northgate.example", host="127.0.0.1", port=port),
        credentials,
        cuid=cuid_from_certificate(credentials.certificate_chain),
    ) as client:
        yield client


async def test_the_server_of_the_readme_continues_its_mitigations_after_a_restart(
    program: Path,
) -> None:
    async with serving(program) as (printed, port), acme(program, port) as client:
        await client.request(1, HELP)
        async with asyncio.timeout(20):
            lines = [await printed.readline() for _ in range(2)]
    async with serving(program) as (_, port), acme(program, port) as client:
        found = await client.status(1)
        refreshed = await client.request(1, HELP)
        await client.withdraw(1)
        ended = await client.status(1)

    assert lines == [b"IN_PROGRESS 203.0.113.7/32\n", b"MITIGATING 203.0.113.7/32\n"]
    assert found.status is MitigationStatus.MITIGATING
    assert (found.lifetime or 0) <= 600 == refreshed.lifetime
    assert ended.status is MitigationStatus.TERMINATING


def test_the_server_of_the_readme_is_short() -> None:
    assert len([line for line in example().splitlines() if line]) <= MAX_LINES
