"""libcoap's programs, which support DTLS with certificates but not DOTS."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from dots_client import Credentials
from local_stack.ports import free_port, free_port_from


def needed(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        why = f"{program} is not there: apt-get install libcoap3-bin"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{why}. CI may skip nothing.")
        pytest.skip(why)
    return path


def written(credentials: Credentials, folder: Path) -> list[str]:
    (folder / "own.crt").write_bytes(credentials.certificate_chain)
    (folder / "own.key").write_bytes(credentials.private_key)
    (folder / "ca.crt").write_bytes(credentials.trust_anchors)
    return [
        *("-c", str(folder / "own.crt")),
        *("-j", str(folder / "own.key")),
        *("-C", str(folder / "ca.crt")),
    ]


def two_free_ports() -> int:
    """The first: libcoap serves DTLS and TLS one port above the given one."""
    while True:
        port = free_port()
        if free_port_from(port + 1) == port + 1:
            return port


async def asked(program: str, credentials: Credentials, folder: Path, *arguments: str) -> bytes:
    """The output of a libcoap client."""
    process = await asyncio.create_subprocess_exec(
        needed(program),
        *written(credentials, folder),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(30):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return printed
