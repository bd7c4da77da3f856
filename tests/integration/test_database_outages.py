"""The whole portal while PostgreSQL is read-only, fails over, or is behind a pooler."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from local_stack.ports import LOOPBACK
from local_stack.servers import Postgres
from tests.fork_server import ForkServer
from tests.integration.faults.injection import write_to_postgres
from tests.integration.servers import POOLED, Standby, pgbouncer, running
from tests.integration.stack import Api, NewStack, Pages, Stack, control, wait_for
from tests.integration.test_main_job import REQUESTS, believed, shown, submit

ApiAs = Callable[[str], Api]
BRIEF_S = 5.0
LONGER_THAN_A_LEASE_S = 16.0


@pytest.fixture(scope="module")
def primary() -> Iterator[Postgres]:
    with running(Postgres()) as server:
        yield server


@pytest.fixture(scope="module")
def standby(primary: Postgres) -> Iterator[Standby]:
    with running(Standby(primary)) as server:
        yield server


@pytest.fixture(scope="module")
def stack(primary: Postgres, standby: Standby, new_stack: NewStack) -> Iterator[Stack]:
    """The database on both servers of the pair, as one URL of libpq."""
    hosts = f"{LOOPBACK}:{primary.port},{LOOPBACK}:{standby.port}"
    url = f"postgresql://postgres@{hosts}/portal?target_session_attrs=read-write"
    with new_stack("outages", server=primary, url=url, without=()) as stack:
        yield stack


@pytest.fixture(scope="module")
def bob(stack: Stack) -> Iterator[Pages]:
    bob = Pages(stack, "bob")
    yield bob
    bob.close()


@contextmanager
def read_only(server: Postgres) -> Iterator[None]:
    write_to_postgres(server, may_write=False)
    try:
        yield
    finally:
        write_to_postgres(server, may_write=True)


def log_of(stack: Stack) -> str:
    return "".join(path.read_text() for path in (stack.directory / "log").iterdir())


@pytest.mark.parametrize("seconds", [BRIEF_S, LONGER_THAN_A_LEASE_S])
def test_nothing_is_lost_while_the_database_is_read_only(
    stack: Stack, primary: Postgres, api_as: ApiAs, seconds: float
) -> None:
    alice, prefix = api_as("alice"), f"203.0.113.{int(seconds)}/32"
    control(stack, "northgate", "/behaviour", {"attack_ends_after_s": None, "status_delay_s": 0.2})
    request = submit(alice, prefix)
    wait_for(lambda: shown(alice, request["id"])["status"] == "mitigating")
    (there,) = believed(stack, "northgate", prefix)
    pids = [process.pid for process in stack.processes]

    with read_only(primary):
        until = time.monotonic() + seconds
        assert_told_to_come_back(lambda: alice.call("POST", REQUESTS, json=body(prefix)))
        control(
            stack, "northgate", f"/mitigations/{there['cuid']}/{there['mid']}/status", {"status": 3}
        )
        while time.monotonic() < until:
            assert shown(alice, request["id"])["status"] == "mitigating"
            time.sleep(0.5)

    wait_for(lambda: shown(alice, request["id"])["status"] == "attack_stopped")
    said = alice.get(f"{REQUESTS}/{request['id']}/wire", limit=200)["results"]
    assert not [one for one in said if one["direction"] == "not-kept"]
    assert [process.pid for process in stack.processes] == pids
    assert "crashed" not in log_of(stack)
    alice.post(f"{REQUESTS}/{request['id']}/terminate")
    wait_for(lambda: shown(alice, request["id"])["status"] == "terminated")


def test_pages_still_open_while_the_database_is_read_only(
    stack: Stack, primary: Postgres, bob: Pages
) -> None:
    with read_only(primary):
        assert "Acme" in bob.text("/organizations/acme/")


def test_a_fail_over_to_the_other_host_needs_no_operator(
    stack: Stack, primary: Postgres, standby: Standby, api_as: ApiAs, bob: Pages
) -> None:
    """The last test on the pair: a failover cannot be undone."""
    alice, prefix = api_as("alice"), "203.0.113.77/32"
    pids = [process.pid for process in stack.processes]
    primary.process.kill()
    assert_told_to_come_back(lambda: alice.call("POST", REQUESTS, json=body(prefix)))
    assert_told_to_come_back(lambda: bob.get("/organizations/acme/"), is_page=True)

    standby.promote()

    request = wait_for(lambda: accepted(alice, prefix))
    wait_for(lambda: shown(alice, request["id"])["status"] == "mitigating")
    assert len(believed(stack, "northgate", prefix)) == 1
    assert [process.pid for process in stack.processes] == pids
    assert "crashed" not in log_of(stack)


def body(prefix: str) -> dict[str, Any]:
    return {"targets": {"prefixes": [prefix]}}


def accepted(api: Api, prefix: str) -> dict[str, Any]:
    """The request, or None while the database is away."""
    answer = api.call("POST", REQUESTS, json=body(prefix))
    assert answer.status_code in (202, 503)
    return dict(answer.json()) if answer.status_code == 202 else {}


def assert_told_to_come_back(call: Callable[[], httpx.Response], *, is_page: bool = False) -> None:
    answer = call()
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"].startswith(
        "text/html" if is_page else "application/problem+json"
    )


@pytest.mark.timeout(300)
def test_a_pooler_in_transaction_mode_changes_nothing(
    tmp_path: Path, fork_server: ForkServer
) -> None:
    """Not even for the migrations, which make the tables here."""
    with running(Postgres()) as server:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE portal")
        with (
            pgbouncer(server) as port,
            Stack(
                tmp_path,
                database_url=f"postgresql://postgres@{LOOPBACK}:{port}/portal",
                # Debian's PgBouncer is older than 1.21.
                environment={"PORTAL_PREPARED_STATEMENTS": "0"},
                start_program=fork_server.start,
            ) as stack,
        ):
            alice, prefix = Api(stack, "alice"), "203.0.113.78/32"
            request = submit(alice, prefix)
            wait_for(lambda: shown(alice, request["id"])["status"] == "mitigating")
            alice.post(f"{REQUESTS}/{request['id']}/terminate")
            wait_for(lambda: shown(alice, request["id"])["status"] == "terminated")
            alice.close()
            with psycopg.connect(server.url("portal")) as connection:
                (clients,) = connection.execute(
                    "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = 'portal'"
                ).fetchone() or (0,)
            assert 0 < clients <= POOLED
            assert "Traceback" not in log_of(stack)
