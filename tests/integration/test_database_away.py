"""Every way in which PostgreSQL can be away, for real: each is recognized, and no error of ours
counts as one.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import Error, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from pytest_django.plugin import DjangoDbBlocker

from local_stack.servers import Postgres
from portal import env
from portal.core.database import is_away
from portal.core.postgresql import base
from tests.conftest import IN_PRODUCTION
from tests.integration.conftest import default_database
from tests.integration.servers import Standby, running
from tests.integration.stack import wait_for

POOL = env.POOL_SIZE


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running(Postgres()) as server:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("CREATE TABLE things (id int PRIMARY KEY, words text UNIQUE)")
            connection.execute("CREATE TABLE notes (body jsonb)")
            connection.execute("INSERT INTO things VALUES (1, 'one'), (2, 'two')")
        yield server


@pytest.fixture
def other(server: Postgres) -> Iterator[psycopg.Connection[Any]]:
    """Another client's connection."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        yield connection


@pytest.fixture
def portal(server: Postgres, django_db_blocker: DjangoDbBlocker) -> Iterator[BaseDatabaseWrapper]:
    with django_db_blocker.unblock(), default_database(settings(server.url())):
        yield connections["default"]


def settings(url: str) -> dict[str, Any]:
    made: dict[str, Any] = connections.configure_settings(
        {"default": env.database(url, default_path=Path(), prepares=True)}
    )["default"]
    return made


def execute(statement: str) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute(statement)


def failure(*steps: str | Callable[[], None]) -> Error:
    """The error of the last statement, in a transaction."""
    with pytest.raises(Error) as caught:
        run(*steps)
    return caught.value


@transaction.atomic
def run(*steps: str | Callable[[], None]) -> None:
    for step in steps:
        if isinstance(step, str):
            execute(step)
        else:
            step()


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param(
            ("SET TRANSACTION READ ONLY", "UPDATE things SET words = 'x'"), id="read-only"
        ),
        pytest.param(("SELECT pg_terminate_backend(pg_backend_pid())",), id="terminated"),
        pytest.param(
            ("SELECT pg_cancel_backend(pg_backend_pid())", "SELECT pg_sleep(5)"), id="cancelled"
        ),
        pytest.param(("SET LOCAL statement_timeout = '20ms'", "SELECT pg_sleep(5)"), id="too slow"),
        pytest.param(
            ("SET LOCAL transaction_timeout = '20ms'", "SELECT pg_sleep(5)"), id="too long"
        ),
    ],
)
def test_an_outage_counts_as_away(portal: BaseDatabaseWrapper, statements: tuple[str, ...]) -> None:
    assert is_away(failure(*statements))


def test_a_transaction_of_a_stopped_process_counts_as_away(portal: BaseDatabaseWrapper) -> None:
    def stop() -> None:
        wait_for(lambda: is_closed_by_the_server(portal.connection))

    assert is_away(
        failure("SET LOCAL idle_in_transaction_session_timeout = '20ms'", stop, "SELECT 1")
    )


def is_closed_by_the_server(connection: psycopg.Connection[Any]) -> bool:
    """Its last message has arrived but was not read yet."""
    readable, _, _ = select.select([connection.fileno()], [], [], 0)
    return bool(readable)


def test_a_lock_timeout_counts_as_away(
    portal: BaseDatabaseWrapper, other: psycopg.Connection[Any]
) -> None:
    with other.transaction():
        other.execute("SELECT * FROM things WHERE id = 1 FOR UPDATE")

        assert is_away(
            failure("SET LOCAL lock_timeout = '20ms'", "UPDATE things SET words = 'x' WHERE id = 1")
        )


def test_a_serialization_failure_counts_as_away(
    portal: BaseDatabaseWrapper, other: psycopg.Connection[Any]
) -> None:
    def overtake() -> None:
        other.execute("UPDATE things SET words = 'overtaken' WHERE id = 1")

    assert is_away(
        failure(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SELECT * FROM things",
            overtake,
            "UPDATE things SET words = 'x' WHERE id = 1",
        )
    )


def test_a_deadlock_counts_as_away(
    portal: BaseDatabaseWrapper, other: psycopg.Connection[Any]
) -> None:
    other.execute("SET deadlock_timeout = '1min'")  # so that ours is the one that fails
    others = threading.Thread(
        target=other.execute, args=("UPDATE things SET words = 'c' WHERE id = 1",)
    )

    def wait_for_each_other() -> None:
        other.execute("UPDATE things SET words = 'b' WHERE id = 2")
        others.start()

    with other.transaction():
        error = failure(
            "SET LOCAL deadlock_timeout = '50ms'",
            "UPDATE things SET words = 'a' WHERE id = 1",
            wait_for_each_other,
            "UPDATE things SET words = 'd' WHERE id = 2",
        )
        others.join()

    assert is_away(error)


def test_an_exhausted_pool_counts_as_away(portal: BaseDatabaseWrapper) -> None:
    is_over, all_hold = threading.Event(), threading.Barrier(POOL + 1)
    holders = [threading.Thread(target=hold, args=(all_hold, is_over)) for _ in range(POOL)]
    for holder in holders:
        holder.start()
    try:
        all_hold.wait()
        with pytest.raises(Error) as caught:
            execute("SELECT 1")
    finally:
        is_over.set()
        for holder in holders:
            holder.join()

    assert is_away(caught.value)


def hold(all_hold: threading.Barrier, is_over: threading.Event) -> None:
    execute("SELECT 1")
    all_hold.wait()
    is_over.wait()
    connections["default"].close()


def test_a_server_without_free_connections_counts_as_away(
    server: Postgres, django_db_blocker: DjangoDbBlocker, other: psycopg.Connection[Any]
) -> None:
    other.execute("CREATE ROLE few LOGIN CONNECTION LIMIT 1")
    url = server.url().replace("postgres@", "few@")
    with (
        psycopg.connect(url),
        django_db_blocker.unblock(),
        default_database(settings(url)),
        pytest.raises(Error) as caught,
    ):
        execute("SELECT 1")

    assert is_away(caught.value)


def test_a_stopped_server_counts_as_away_and_is_used_again_after_its_return(
    portal: BaseDatabaseWrapper, server: Postgres
) -> None:
    execute("SELECT 1")
    server.process.stop()
    try:
        with pytest.raises(Error) as broken:
            execute("SELECT 1")
        portal.close()
        with pytest.raises(Error) as refused:
            execute("SELECT 1")
    finally:
        server.process.start()
        server.process.wait_until_ready()

    assert is_away(broken.value)
    assert is_away(refused.value)
    portal.close()
    execute("SELECT 1")


@pytest.mark.parametrize(
    "statement",
    [
        r"""INSERT INTO notes VALUES ('"a\u0000b"')""",
        "INSERT INTO things VALUES (1, 'one')",
        "INSERT INTO things VALUES (NULL)",
        "INSERT INTO things VALUES (3000000000)",
        # Too large for a page of an index: PostgreSQL's driver calls it operational.
        "INSERT INTO things SELECT 3, string_agg(md5(n::text), '') FROM generate_series(1, 2000) n",
        "SELECT 1 / 0",
        "SELECT * FROM nothing",
        "SELEC",
        "SET TRANSACTION SNAPSHOT 'none'",
    ],
)
def test_a_programming_error_does_not_count_as_away(
    portal: BaseDatabaseWrapper, statement: str
) -> None:
    assert not is_away(failure(statement))


def test_a_transaction_that_could_not_begin_does_not_commit(
    portal: BaseDatabaseWrapper, other: psycopg.Connection[Any]
) -> None:
    execute("SELECT 1")
    assert portal.connection is not None
    other.execute("SELECT pg_terminate_backend(%s)", [portal.connection.info.backend_pid])
    with pytest.raises(Error) as caught, transaction.atomic():
        pytest.fail("it began")
    assert is_away(caught.value)

    with transaction.atomic():
        execute("UPDATE things SET words = 'kept' WHERE id = 2")
    assert other.execute("SELECT words FROM things WHERE id = 2").fetchone() == ("kept",)


def test_a_process_stopped_inside_a_transaction_releases_its_rows(
    portal: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "IDLE_IN_TRANSACTION", IN_PRODUCTION)
    with transaction.atomic():
        assert shown("idle_in_transaction_session_timeout") == "5s"
    assert shown("idle_in_transaction_session_timeout") == "0"


def shown(setting: str) -> str:
    with connections["default"].cursor() as cursor:
        cursor.execute(f"SHOW {setting}")
        return str(cursor.fetchone()[0])


def test_a_connection_to_a_standby_is_closed(
    server: Postgres, django_db_blocker: DjangoDbBlocker
) -> None:
    """A name that led to the standby for a moment would otherwise keep the portal there for an
    hour.
    """
    with (
        running(Standby(server)) as standby,
        django_db_blocker.unblock(),
        default_database(settings(standby.url())),
    ):
        connection = connections["default"]
        pids = [pid_of(connection) for _ in range(4)]
        assert len(set(pids)) == 4
        standby.promote()
        wait_for(lambda: not is_standby(connection))

        pids = [pid_of(connection) for _ in range(2 * POOL)]
        assert len(set(pids)) < len(pids)


def pid_of(connection: BaseDatabaseWrapper) -> int:
    try:
        execute("SELECT 1")
        return int(connection.connection.info.backend_pid)
    finally:
        connection.close()


def is_standby(connection: BaseDatabaseWrapper) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_is_in_recovery()")
        is_standby = bool(cursor.fetchone()[0])
    connection.close()
    return is_standby


def test_the_second_host_of_a_url_is_used_when_the_first_is_read_only(
    server: Postgres, django_db_blocker: DjangoDbBlocker
) -> None:
    with running(Standby(server)) as standby, django_db_blocker.unblock():
        hosts = f"127.0.0.1:{standby.port},127.0.0.1:{server.port}"
        url = f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write"
        with default_database(settings(url)):
            execute("UPDATE things SET words = 'second host' WHERE id = 1")


def test_a_password_may_contain_any_characters(
    server: Postgres, django_db_blocker: DjangoDbBlocker, other: psycopg.Connection[Any]
) -> None:
    hba = server.directory / "data" / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text("host all pedant 127.0.0.1/32 scram-sha-256\n" + before)
    other.execute("CREATE ROLE pedant LOGIN PASSWORD 'p#a/s%s@w:or&d'")
    other.execute("SELECT pg_reload_conf()")
    try:
        for password in ("p#a/s%s@w:or&d", "p%23a%2Fs%25s%40w%3Aor%26d"):
            url = server.url().replace("postgres@", f"pedant:{password}@")
            with django_db_blocker.unblock(), default_database(settings(url)):
                execute("SELECT 1")
        with (
            pytest.raises(Error),
            django_db_blocker.unblock(),
            default_database(settings(server.url().replace("postgres@", "pedant:wrong@"))),
        ):
            execute("SELECT 1")
    finally:
        hba.write_text(before)
