"""An installation to measure: every process for real, with as many organizations as wanted.

PostgreSQL, Redis, web, signal workers, default worker, beat and simulated providers run on loopback
beside the callers, on the same cores. Each organization has a verified prefix, a person with a
token, and a subscription at every provider.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from local_stack.cast import HIGH_LIMITS, PROVIDERS, Cast, Organization, Resource, User
from local_stack.processes import Program, Start, execute, run_to_end
from local_stack.programs import ROOT
from local_stack.simulators import Simulator
from local_stack.stack import Stack
from tests.bench.counts import POSTGRES_SETTINGS, Servers
from tests.bench.processes import Meter
from tests.bench.report import header
from tests.integration.stack import Databases, control, wait_for

ORGANIZATIONS_MAX: Final = 4096
SESSIONS_WITHIN_S: Final = 300.0
CALM: Final[Mapping[str, Any]] = {
    "accept": "always",
    "attack_ends_after_s": None,
    "status_delay_s": 36_000,
    "notify_interval_s": 36_000,
}
"""A provider accepts everything and then reports nothing on its own."""
VIEWER: Final = "viewer"
"""A person of the first organization who can sign in to the pages."""


@dataclass(frozen=True)
class Installation:
    stack: Stack
    tokens: Mapping[str, str]
    "of one person of each organization, by slug"
    meter: Meter
    servers: Servers

    @property
    def slugs(self) -> Sequence[str]:
        return list(self.tokens)

    def behave(self, provider: str, **behaviour: Any) -> None:
        """CALM, with these changes."""
        control(self.stack, provider, "/behaviour", {**CALM, **behaviour})

    def sessions(self, provider: str = "northgate") -> int:
        return len(control(self.stack, provider, "/state")["sessions"])

    def row(self, query: str, *parameters: Any) -> tuple[Any, ...]:
        """The first row of the answer of the database."""
        with psycopg.connect(self.stack.database_url) as connection:
            return connection.execute(query, parameters).fetchone() or ()

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.stack.database_url) as connection:
            return connection.execute(query, parameters).fetchall()

    def execute(self, statement: str, parameters: Mapping[str, Any]) -> None:
        with psycopg.connect(self.stack.database_url) as connection:
            connection.execute(statement, parameters)

    def subscriptions(self, provider: str) -> dict[str, str]:
        """Ids of the subscriptions at that provider, by the organization's slug."""
        query = (
            "SELECT o.slug, s.id::text FROM providers_subscription s"
            " JOIN organizations_organization o ON o.id = s.organization_id"
            " JOIN providers_provider p ON p.id = s.provider_id WHERE p.name = %s"
        )
        return dict(self.rows(query, self.stack.simulator(provider).provider.name))


def prefix_of(slug: str, number: int) -> str:
    """One address of that organization, different for each number from 0 to 2^32 - 2."""
    high, low = divmod(number + 1, 2**16)
    return f"2001:db8:{int(slug.removeprefix('org')):x}::{high:x}:{low:x}/128"


def parser(name: str, meaning: str | None) -> argparse.ArgumentParser:
    """With the options that every measurement of an installation has."""
    made = argparse.ArgumentParser(prog=f"scripts/bench {name}", description=meaning)
    made.add_argument("--directory", type=Path, help="keep the logs there")
    made.add_argument(
        "--setting",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the portal, such as PORTAL_PREPARED_STATEMENTS=0; may be repeated",
    )
    return made


def measure_in_installation(
    measure: Callable[[Installation, argparse.Namespace], Coroutine[Any, Any, None]],
    options: argparse.Namespace,
    *,
    organizations: int,
    signal_workers: int = 1,
    providers: int = 1,
    has_viewer: bool = False,
) -> None:
    """Print the header, start an installation and run `measure` beside it."""
    header()
    with installation(
        options,
        organizations=organizations,
        signal_workers=signal_workers,
        providers=providers,
        has_viewer=has_viewer,
    ) as running:
        asyncio.run(measure(running, options))


@contextmanager
def installation(
    options: argparse.Namespace,
    *,
    organizations: int,
    signal_workers: int = 1,
    providers: int = 1,
    has_viewer: bool = False,
    start_program: Start = execute,
) -> Iterator[Installation]:
    """Runs within the context, with a session of each organization at each provider."""
    databases = Databases("", POSTGRES_SETTINGS)
    assert databases.own is not None
    try:
        with tempfile.TemporaryDirectory(prefix="portal-bench-") as made:
            stack = Stack(
                options.directory or Path(made),
                database_url=databases.make_with_tables("portal_bench"),
                simulators=[Simulator.on_free_ports(one) for one in PROVIDERS[:providers]],
                cast=_cast(organizations, has_viewer=has_viewer),
                signal_workers=signal_workers,
                environment=_settings(options),
                start_program=start_program,
            )
            with stack:
                servers = Servers(stack.database_url, stack.redis_url)
                meter = Meter(stack, databases.own.process)
                running = Installation(stack, _tokens(stack), meter, servers)
                for simulator in stack.simulators:
                    running.behave(simulator.provider.key)
                    if signal_workers:
                        _wait_for_sessions(running, simulator.provider.key)
                try:
                    yield running
                finally:
                    servers.close()
    finally:
        databases.close()


def _wait_for_sessions(running: Installation, provider: str) -> None:
    wait_for(lambda: running.sessions(provider) >= len(running.slugs), within_s=SESSIONS_WITHIN_S)


def _settings(options: argparse.Namespace) -> dict[str, str]:
    settings = {}
    for one in options.setting:
        name, is_given, value = one.partition("=")
        if not is_given:
            raise SystemExit(f"--setting must be NAME=VALUE, not {one!r}")
        settings[name] = value
    return settings


def _cast(count: int, *, has_viewer: bool) -> Cast:
    if not 1 <= count <= ORGANIZATIONS_MAX:
        raise SystemExit(f"from 1 to {ORGANIZATIONS_MAX} organizations, not {count}")
    return Cast(
        organizations=tuple(
            Organization(
                f"org{number}",
                f"Org{number}",
                (Resource("Network", "prefix", f"2001:db8:{number:x}::/48"),),
                HIGH_LIMITS,
            )
            for number in range(count)
        ),
        users=(User(VIEWER, "admin", "org0"),) if has_viewer else (),
    )


def _tokens(stack: Stack) -> dict[str, str]:
    path = stack.directory / "tokens.json"
    program = Program(
        name="people",
        command=[sys.executable, "-m", "tests.bench.people", str(path)],
        environment={
            **os.environ,
            **stack.environment,
            "DJANGO_SETTINGS_MODULE": "portal.settings",
        },
        directory=ROOT,
        ready_within_s=300,
    )
    run_to_end(program, stack.directory / "log" / "people.log")
    tokens: dict[str, str] = json.loads(path.read_text())
    return tokens
