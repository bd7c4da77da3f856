"""Transports and redirections in the shell."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiocoap import Code

from dots_client.cli import main
from dots_client.cli.main import Exit
from dots_client.transport.tls_server import serve_tls
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import Provider
from tests.dots_client.client.test_redirection import HOME, Pair, pair, to

MITIGATE = ("mitigate", "--mid", "1", "--prefix", "192.0.2.0/24", "--patience", "5")


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    client = authority.client()
    for name, variable, content in (
        ("client.crt", "DOTS_CERT", client.certificate_chain),
        ("client.key", "DOTS_KEY", client.private_key),
        ("ca.crt", "DOTS_CA", client.trust_anchors),
    ):
        (tmp_path / name).write_bytes(content)
        monkeypatch.setenv(variable, str(tmp_path / name))


async def run(there: Pair, *arguments: str) -> int:
    server = f"127.0.0.1:{there.server.port}"
    command = [*arguments, "--server", server, "--name", HOME, "--verbose"]
    return await asyncio.to_thread(main, command)


@pytest.mark.rule("SC-098")
async def test_a_redirection_is_followed(
    authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    async with pair(authority) as there:
        there.home.script.append(to(ttl_s=0))

        assert await run(there, *MITIGATE) == Exit.DONE

        assert len(there.alt.asked(Code.PUT)) == 1
        assert "= redirected to alt.example" in capsys.readouterr().err


@pytest.mark.rule("SC-102")
async def test_a_loop_of_redirections_is_a_refusal_for_now(authority: Authority) -> None:
    async with pair(authority) as there:
        there.home.script.append(to())
        there.alt.script.append(to(HOME, "127.0.0.1"))

        assert await run(there, *MITIGATE) == Exit.REFUSED

        assert len(there.home.asked(Code.PUT)) == 1


@pytest.mark.parametrize(
    ("transport", "status", "words"),
    [
        ("tcp", Exit.DONE, "over tls"),
        ("any", Exit.DONE, "over tls"),
        ("udp", Exit.UNREACHABLE, "nothing listens"),
    ],
)
async def test_a_transport_can_be_chosen(
    authority: Authority,
    capsys: pytest.CaptureFixture[str],
    transport: str,
    status: Exit,
    words: str,
) -> None:
    server = await serve_tls(Provider(), host="127.0.0.1", port=0, credentials=authority.server())
    command = [*MITIGATE, "--server", f"127.0.0.1:{server.port}", "--name", "provider.example"]

    assert (
        await asyncio.to_thread(main, [*command, "--transport", transport, "--verbose"]) == status
    )

    assert words in capsys.readouterr().err
    await server.close()
