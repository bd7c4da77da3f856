from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections, transaction
from django.db.backends.postgresql.base import DatabaseWrapper
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from pytest_django.plugin import DjangoDbBlocker

from local_stack.servers import Postgres
from portal import env
from tests.audit_tables import without_triggers
from tests.fork_server import ForkServer
from tests.integration import dumps
from tests.integration.stack import Api, Databases, NewStack, Stack
from tests.made_once import made_once

TIMEOUT_S = 300
"""For a test that starts a stack: of its seven processes each has a minute to become ready, but
they start together. A busy machine is not a bug of the portal.
"""
CONNECTED_WITHIN_S = 30
DUMP = "database.dump"
KEPT_TABLES = ("django_migrations", "django_content_type", "auth_permission")


LONGEST_FIRST = (
    "test_broker_outages",
    "test_faults",
    "test_demo",
    "test_restore",
    "test_database_outages",
    "test_owners",
    "test_costs",
    "test_odd_providers",
    "test_standby",
    "test_upgrade",
)
"""A file that takes a minute and begins last keeps one worker busy and the others idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.integration)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(TIMEOUT_S))
    items.sort(key=lambda item: item.path.stem not in LONGEST_FIRST)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    databases = Databases(os.environ.get("DATABASE_URL", ""))
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def _migrated(databases: Databases, django_db_blocker: DjangoDbBlocker) -> dict[str, Any]:
    """Settings of a PostgreSQL database that has every table."""
    url = databases.make_with_tables("portal_test")
    configured = env.database(url, default_path=Path(), prepares=True)
    # A busy machine takes longer than production's two seconds to open a dozen connections.
    configured["OPTIONS"]["pool"]["timeout"] = CONNECTED_WITHIN_S
    settings: dict[str, Any] = connections.configure_settings({"default": configured})["default"]
    with django_db_blocker.unblock(), default_database(settings):
        call_command("migrate", interactive=False, verbosity=0)
    return settings


@pytest.fixture
def _django_db_helper(
    _migrated: dict[str, Any], django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """In this folder `db` and `pytest.mark.django_db` mean PostgreSQL, with real commits.

    SQLite ignores row locks, and other connections cannot see what a rolled-back test wrote.
    """
    with django_db_blocker.unblock(), default_database(_migrated):
        yield
        _empty_every_table()


def _empty_every_table() -> None:
    # Not `flush`: it fails on the tables of models that ours replace.
    with transaction.atomic(), connections["default"].cursor() as cursor:
        cursor.execute(
            (
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND NOT tablename = "
                "ANY(%s)"
            ),
            [list(KEPT_TABLES)],
        )
        names = sql.SQL(", ").join(sql.Identifier(name) for (name,) in cursor.fetchall())
        cursor.execute("SET lock_timeout = '5s'")
        with without_triggers(connections["default"]):
            cursor.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(names))


@contextmanager
def default_database(settings: dict[str, Any]) -> Iterator[None]:
    usual = connections.settings["default"]
    usual_connection = connections["default"]
    # Django keeps one pool per alias regardless of the settings: the next wrapper would use this
    # one.
    if isinstance(usual_connection, DatabaseWrapper):
        usual_connection.close_pool()
    connections.settings["default"] = settings
    del connections["default"]
    try:
        yield
    finally:
        connection = connections["default"]
        assert isinstance(connection, DatabaseWrapper)
        connection.close()
        connection.close_pool()
        connections.settings["default"] = usual
        connections["default"] = usual_connection


@pytest.fixture(scope="session")
def installed(
    databases: Databases, fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of an installation that never ran, with a dump of its database: it takes seconds
    to make the tables and to hash the passwords.
    """

    def install(folder: Path) -> None:
        url = databases.make_with_tables("portal_installed")
        Stack(folder, database_url=url, start_program=fork_server.start).prepare()
        dumps.dump(url, folder / DUMP)

    return made_once(tmp_path_factory, "installed", install)


@pytest.fixture(scope="session")
def new_stack(
    databases: Databases,
    installed: Path,
    fork_server: ForkServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> NewStack:
    """Makes stacks from copies of one installation. `server`: where its database is, if not where
    those of all tests are; `url`: how the portal reaches it, if not directly.
    """
    copied = databases.make("portal_copied")
    dumps.fill(copied, installed / DUMP)
    template = str(conninfo_to_dict(copied)["dbname"])

    def new_stack(
        name: str, *, server: Postgres | None = None, url: str = "", **options: Any
    ) -> Stack:
        directory = tmp_path_factory.mktemp(name)
        shutil.copytree(installed / "pki", directory / "pki")
        shutil.copy2(installed / "secrets.json", directory)
        if server is None:
            copy = databases.make(f"portal_{name}", template=template)
        else:
            copy = server.url("portal")
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute("CREATE DATABASE portal")
            dumps.fill(copy, installed / DUMP)
        usual = {"without": ("notices",), "start_program": fork_server.start}
        stack = Stack(directory, database_url=url or copy, is_prepared=True, **{**usual, **options})
        with psycopg.connect(copy) as connection:
            for simulator in stack.simulators:
                connection.execute(
                    "UPDATE providers_provider SET port = %s WHERE name = %s",
                    (simulator.signal_port, simulator.provider.name),
                )
        return stack

    return new_stack


@pytest.fixture(scope="module")
def stack(new_stack: NewStack) -> Iterator[Stack]:
    """Every process for real, on PostgreSQL.

    One stack for the tests of a file, which may restart what they kill.
    """
    with new_stack("stack") as stack:
        yield stack


@pytest.fixture(scope="module")
def api_as(stack: Stack) -> Iterator[Callable[[str], Api]]:
    """A person's program. Each person signs in once, since a code counts only once."""
    signed_in: dict[str, Api] = {}

    def api_as(username: str) -> Api:
        if username not in signed_in:
            signed_in[username] = Api(stack, username)
        return signed_in[username]

    yield api_as
    for api in signed_in.values():
        api.close()
