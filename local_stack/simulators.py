"""The simulated providers of an installation, and their clients."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dots_client import cuid_from_certificate
from local_stack.cast import ORGANIZATIONS, Organization, Provider
from local_stack.installation import write_privately
from local_stack.ports import LOOPBACK, free_port, free_port_from
from local_stack.processes import Program, Start, execute, run_to_end
from local_stack.programs import ROOT, answers_http


@dataclass(frozen=True)
class Client:
    """An organization's credentials at one provider (PEM)."""

    organization: str
    cuid: str
    certificate_chain: str
    private_key: str


@dataclass(frozen=True)
class Identities:
    """One provider's name and authority, and its clients."""

    server_name: str
    trust_anchors: str
    clients: tuple[Client, ...]


@dataclass(frozen=True)
class Simulator:
    """One simulated provider: its address for the portal, and its ports there."""

    provider: Provider
    signal_port: int
    control_port: int
    host: str = LOOPBACK

    @classmethod
    def on_free_ports(cls, provider: Provider) -> Simulator:
        return cls(provider, free_port(), free_port())

    @classmethod
    def on_usual_ports(cls, provider: Provider) -> Simulator:
        """On the provider's usual ports, or the next free ones above."""
        return cls(
            provider, free_port_from(provider.signal_port), free_port_from(provider.control_port)
        )

    @property
    def server_name(self) -> str:
        return f"{self.provider.key}.example"

    @property
    def signal(self) -> str:
        return f"{LOOPBACK}:{self.signal_port}"

    @property
    def control_url(self) -> str:
        return f"http://{LOOPBACK}:{self.control_port}"

    def program(self, pki: Path, environment: Mapping[str, str]) -> Program:
        return Program(
            name=self.provider.key,
            command=[
                *(sys.executable, "-m", "provider_simulator", "serve"),
                *("--name", self.provider.name, "--host", LOOPBACK),
                *("--port", str(self.signal_port), "--control-port", str(self.control_port)),
                *("--pki", str(pki / self.provider.key), "--clients", str(pki / "clients.json")),
            ],
            environment=environment,
            directory=ROOT,
            is_ready=lambda _: answers_http(f"{self.control_url}/state"),
        )


def make_identities(
    simulators: Sequence[Simulator],
    pki: Path,
    environment: Mapping[str, str],
    log_path: Path,
    organizations: Sequence[Organization] = ORGANIZATIONS,
    start_program: Start = execute,
) -> dict[str, Identities]:
    """Create each provider's authority once; returns the identities by the provider's key."""
    providers = [word for one in simulators for word in ("--provider", one.provider.key)]
    clients = [word for one in organizations for word in ("--client", one.slug)]
    run_to_end(
        Program(
            name="certificate creation",
            command=[
                *(sys.executable, "-m", "provider_simulator", "pki", "--dir", str(pki)),
                *providers,
                *clients,
            ],
            environment=environment,
            directory=ROOT,
        ),
        log_path,
        start_program,
    )
    pki.chmod(0o700)
    write_privately(pki / "clients.json", _entitlements(organizations))
    return {
        one.provider.key: _read(pki / one.provider.key, one, organizations) for one in simulators
    }


def _entitlements(organizations: Sequence[Organization]) -> str:
    """What each client may ask for, in the provider's configuration."""
    return json.dumps(
        {
            organization.slug: [
                resource.value for resource in organization.resources if resource.is_verified
            ]
            for organization in organizations
        }
    )


def _read(
    directory: Path, simulator: Simulator, organizations: Sequence[Organization]
) -> Identities:
    return Identities(
        server_name=simulator.server_name,
        trust_anchors=(directory / "ca.pem").read_text(),
        clients=tuple(_client(directory, organization.slug) for organization in organizations),
    )


def _client(directory: Path, organization: str) -> Client:
    certificate_chain = (directory / f"client-{organization}.pem").read_text()
    return Client(
        organization=organization,
        cuid=cuid_from_certificate(certificate_chain.encode()),
        certificate_chain=certificate_chain,
        private_key=(directory / f"client-{organization}.key").read_text(),
    )
