from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dots_client.cli import main
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import Provider, serving

MITIGATE = ("mitigate", "--mid", "1", "--prefix", "192.0.2.0/24")


@dataclass
class Shell:
    """A server to talk to, and the environment that names it."""

    provider: Provider
    run: Callable[..., Coroutine[Any, Any, int]]
    output: Callable[[], tuple[str, str]]


@pytest.fixture
def files(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Path:
    client = authority.client()
    for name, variable, content in (
        ("client.crt", "DOTS_CERT", client.certificate_chain),
        ("client.key", "DOTS_KEY", client.private_key),
        ("ca.crt", "DOTS_CA", client.trust_anchors),
    ):
        (tmp_path / name).write_bytes(content)
        monkeypatch.setenv(variable, str(tmp_path / name))
    monkeypatch.setenv("DOTS_NAME", "provider.example")
    return tmp_path


@asynccontextmanager
async def shell(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Shell]:
    async def run(*argv: str) -> int:
        return await asyncio.to_thread(main, argv)

    def output() -> tuple[str, str]:
        captured = capsys.readouterr()
        return captured.out, captured.err

    provider = Provider()
    async with serving(authority, provider) as server:
        monkeypatch.setenv("DOTS_SERVER", f"127.0.0.1:{server.port}")
        yield Shell(provider, run, output)


@pytest.fixture
async def at(
    files: Path,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Shell]:
    async with shell(authority, monkeypatch, capsys) as made:
        yield made
