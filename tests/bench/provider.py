"""A simulated provider in its own process, for one benchmark alone."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Network
from pathlib import Path

from dots_client import Credentials, Scope, Server, Targets, cuid_from_certificate
from local_stack.ports import LOOPBACK, free_port
from local_stack.processes import Process, Program
from local_stack.programs import ROOT
from provider_simulator.pki import client_credentials, make_pki, server_name

NAME = "bench"
PREFIX = IPv6Network("2001:db8:30::/48")


@dataclass(frozen=True)
class BenchProvider:
    process: Process
    port: int
    pki: Path
    credentials: Credentials

    @property
    def cuid(self) -> str:
        return cuid_from_certificate(self.credentials.certificate_chain)

    def server(self, *, port: int | None = None) -> Server:
        """the provider, or a relay in front of it at another port"""
        return Server(name=server_name(NAME), host=LOOPBACK, port=port or self.port)


def scope(mid: int, *, lifetime: int = 3600) -> Scope:
    """Targets that overlap with those of no other mid."""
    return Scope(targets=Targets(target_prefix=(f"{PREFIX[mid]}/128",)), lifetime=lifetime)


@contextmanager
def bench_provider(*options: str) -> Iterator[BenchProvider]:
    """Runs within the context; `options` go to `python -m provider_simulator serve`."""
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as name:
        directory = Path(name)
        make_pki(directory, providers=[NAME], clients=[NAME])
        (directory / "clients.json").write_text(json.dumps({NAME: [str(PREFIX)]}))
        port = free_port()
        process = Process(_program(directory, port, options), directory / "provider.log")
        process.start()
        try:
            process.wait_until_ready()
            credentials = client_credentials(directory / NAME, NAME)
            yield BenchProvider(process, port, directory / NAME, credentials)
        finally:
            process.stop()


def _program(directory: Path, port: int, options: Sequence[str]) -> Program:
    return Program(
        name=NAME,
        command=[
            *(sys.executable, "-m", "provider_simulator", "serve", "--name", "Bench"),
            *("--port", str(port), "--control-port", str(free_port())),
            *("--pki", str(directory / NAME), "--clients", str(directory / "clients.json")),
            *("--log-level", "WARNING", *options),
        ],
        environment=os.environ,
        directory=ROOT,
        is_ready=lambda process: process.has_printed('"signal"'),
    )
