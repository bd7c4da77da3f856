"""Real gateways between the portal and a simulated provider."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from typing import Any

import httpx

from local_stack.ports import LOOPBACK, free_port
from local_stack.processes import Process, Program, run_to_end
from local_stack.programs import ROOT, answers_http
from tests.integration.stack import CALL_TIMEOUT_S, NO_TLS, Stack, wait_for

NAMES = ("edge-1", "edge-2")
CLIENTS = ("acme", "globex")
POINT_AT = """
from pathlib import Path
from portal.providers.models import Provider
from portal.providers.services import Identity, replace_certificate
pki = Path({pki!r})
provider = Provider.objects.get(short_name={provider!r})
provider.path_kind, provider.path_name = "gateway", {name!r}
provider.host, provider.port = {host!r}, {port}
provider.server_name = {name!r} + ".example"
provider.trust_anchors = (pki / "ca.pem").read_text()
provider.save()
for subscription in provider.subscriptions.select_related("organization"):
    client = pki / ("client-" + subscription.organization.slug)
    replace_certificate(subscription=subscription, identity=Identity(
        certificate_chain=client.with_suffix(".pem").read_bytes(),
        private_key=client.with_suffix(".key").read_bytes()))
"""


@dataclass
class Gateway:
    """One gateway process, which may be restarted with another provider behind it."""

    process: Process
    name: str
    signal_port: int
    control_port: int

    def state(self) -> dict[str, Any]:
        url = f"http://{LOOPBACK}:{self.control_port}/state"
        state: dict[str, Any] = httpx.get(url, timeout=CALL_TIMEOUT_S, verify=NO_TLS).json()
        return state

    def is_up(self) -> bool:
        return bool(self.state()["upstream"]["is_up"])

    def lead_to(self, stack: Stack, key: str, port: int) -> None:
        """Start it in front of the server at that port."""
        self.process.stop()
        program = self.process.program
        self.process.program = replace(program, command=self._command(stack, key, port))
        self.process.start()
        self.process.wait_until_ready()

    def _command(self, stack: Stack, key: str, port: int) -> list[str]:
        return [
            *(sys.executable, "-m", "provider_simulator", "gateway", "--name", self.name),
            *("--port", str(self.signal_port), "--control-port", str(self.control_port)),
            *("--pki", str(stack.pki), "--clients", str(stack.pki / "clients.json")),
            *("--upstream", f"{LOOPBACK}:{port}", "--upstream-name", f"{key}.example"),
            *("--upstream-pki", str(stack.pki / key)),
            *(word for other in NAMES if other != self.name for word in ("--trusts", other)),
        ]


def prepare(stack: Stack, provider: str) -> dict[str, Gateway]:
    """Make certificates for all, an entry in the provider's configuration, and gateways that do not
    run yet.
    """
    words = [word for one in (provider, *NAMES) for word in ("--provider", one)]
    words += [word for one in (*CLIENTS, *NAMES) for word in ("--client", one)]
    make = Program(
        name="certificate creation",
        command=[
            *(sys.executable, "-m", "provider_simulator", "pki", "--dir", str(stack.pki), *words)
        ],
        environment=stack.environment,
        directory=ROOT,
    )
    run_to_end(make, stack.directory / "log" / "pki.log")
    books = stack.pki / "clients.json"
    listed = json.loads(books.read_text())
    everything = [entry for client in CLIENTS for entry in listed[client]]
    books.write_text(json.dumps({**listed, **dict.fromkeys(NAMES, everything)}))
    stack[provider].restart()
    return {name: _gateway(stack, name) for name in NAMES}


def point_at(stack: Stack, provider: str, gateway: Gateway) -> None:
    """As staff would: reach the provider through the gateway, with the gateway's certificates."""
    settings = {
        "pki": str(stack.pki / gateway.name),
        "provider": provider,
        "name": gateway.name,
        "host": LOOPBACK,
        "port": gateway.signal_port,
    }
    stack.manage("shell", "-c", POINT_AT.format(**settings))
    for worker in stack.signal_workers:
        worker.restart()
    wait_for(lambda: len(gateway.state()["sessions"]) == len(CLIENTS))


def _gateway(stack: Stack, name: str) -> Gateway:
    control_port = free_port()
    program = Program(
        name=name,
        command=[],
        environment=stack.environment,
        directory=ROOT,
        is_ready=lambda _: answers_http(f"http://{LOOPBACK}:{control_port}/healthz"),
    )
    process = Process(program, stack.directory / "log" / f"{name}.log")
    return Gateway(process, name, free_port(), control_port)
