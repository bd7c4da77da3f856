"""What counts as a database that is away.

The outages themselves: tests/integration/test_database_away.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import psycopg_pool
import pytest
from django import db
from django.contrib.auth.models import AnonymousUser
from django.db.utils import DatabaseErrorWrapper
from django.http import HttpRequest
from django.test import Client, RequestFactory

from portal.accounts.models import User
from portal.core import middleware
from portal.core.database import is_away
from portal.organizations.models import Organization
from tests.conftest import ApiOf, ClientOf
from tests.factories import PASSWORD

pytestmark = pytest.mark.sqlite

AWAY = (
    "08000 08001 08003 08004 08006 08007 08P01 25006 25P03 25P04 28000 28P01 40001 40002 "
    "40003 40P01 "
    "53000 53100 53200 53300 53400 55P03 57000 57014 57P01 57P02 57P03 57P04 57P05 58000 58030"
)
HERE = (
    "0A000 21000 22001 22003 22021 22P02 22P05 23502 23503 23505 23514 25P02 26000 3D000 3F000 "
    "42501 42601 42703 42804 42P01 54000 54001 55000 XX000 XX001"
)


def raised_by_django(error: Exception) -> db.Error:
    """As Django's database layer raises a driver's error."""
    backend = psycopg if isinstance(error, psycopg.Error) else sqlite3

    class Wrapper:
        Database = backend
        errors_occurred = False

    with pytest.raises(db.Error) as caught, DatabaseErrorWrapper(Wrapper()):
        raise error
    return caught.value


def postgresql(sqlstate: str) -> db.Error:
    return raised_by_django(psycopg.errors.lookup(sqlstate)("any words"))


@pytest.mark.parametrize("sqlstate", AWAY.split())
def test_a_temporary_error_code_counts_as_away(sqlstate: str) -> None:
    assert is_away(postgresql(sqlstate))


@pytest.mark.parametrize("sqlstate", HERE.split())
def test_a_permanent_error_code_does_not_count_as_away(sqlstate: str) -> None:
    assert not is_away(postgresql(sqlstate))


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("the connection is lost"),
        psycopg.InterfaceError("the connection is closed"),
        psycopg_pool.PoolTimeout("couldn't get a connection after 2.00 sec"),
        psycopg_pool.PoolClosed("the pool is closed"),
        psycopg_pool.TooManyRequests("the queue is full"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_unreachable_server_counts_as_away(error: psycopg.Error) -> None:
    assert is_away(raised_by_django(error))


def test_an_error_found_before_a_query_does_not_count_as_away() -> None:
    assert not is_away(raised_by_django(psycopg.ProgrammingError("no such parameter")))
    assert not is_away(raised_by_django(psycopg.DataError("no NUL in text")))


def test_a_connection_found_closed_by_django_counts_as_away() -> None:
    assert is_away(db.InterfaceError("connection already closed"))


@pytest.mark.parametrize("error", [None, ValueError("x"), OSError("x"), psycopg.OperationalError()])
def test_other_errors_do_not_count_as_away(error: BaseException | None) -> None:
    assert not is_away(error)


def sqlite(path: Path, *statements: str) -> db.Error:
    """The error of the last statement; the others run on another connection."""
    other = sqlite3.connect(path, isolation_level=None)
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        for statement in statements[:-1]:
            other.execute(statement)
        connection.execute(statements[-1])
    except sqlite3.Error as error:
        return raised_by_django(error)
    finally:
        connection.close()
        other.close()
    raise AssertionError("it went well")


def test_a_database_file_locked_by_another_process_counts_as_away(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"

    assert is_away(sqlite(path, "CREATE TABLE t (a)", "BEGIN EXCLUSIVE", "SELECT * FROM t"))


def test_a_missing_folder_counts_as_away(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(tmp_path / "gone" / "x.sqlite3")

    assert is_away(raised_by_django(caught.value))


def test_a_missing_table_does_not_count_as_away(tmp_path: Path) -> None:
    assert not is_away(sqlite(tmp_path / "x.sqlite3", "SELECT * FROM t"))


def test_a_page_without_the_database_is_503_with_retry_after() -> None:
    pages = middleware.ErrorPages(lambda _: pytest.fail("not called"))
    request: HttpRequest = RequestFactory().get("/organizations/acme/")
    request.user = AnonymousUser()

    # No `db` fixture: a query would fail this test.
    answer = pages.process_exception(request, postgresql("25006"))

    assert answer is not None
    assert answer.status_code == 503
    assert answer["Retry-After"] == "2"
    assert "+1 555 0100" in answer.content.decode()


@pytest.fixture
def read_only(transactional_db: None) -> Iterator[Callable[[], None]]:
    """A function that makes this process's connection read-only."""

    def switch(value: str) -> None:
        is_postgresql = db.connection.vendor == "postgresql"
        with db.connection.cursor() as cursor:
            # Both last as long as the connection, which the pool reuses for the next test.
            cursor.execute(
                f"SET default_transaction_read_only = {value}"
                if is_postgresql
                else f"PRAGMA query_only = {value}"
            )

    yield lambda: switch("on")
    switch("off")
    db.connection.close()


def test_a_read_only_database_still_serves_pages_and_answers_changes_with_503(
    alice: User,
    acme: Organization,
    api_of: ApiOf,
    client_of: ClientOf,
    read_only: Callable[[], None],
) -> None:
    api, browser = api_of(alice), client_of(alice)
    browser.raise_request_exception = False
    read_only()

    for reader, path in (
        (api, "/api/v1/organizations/acme/mitigation-requests"),
        (browser, "/organizations/acme/"),
        (browser, "/healthz"),
    ):
        assert reader.get(path).status_code == 200, path
    for answer in (
        api.post(
            "/api/v1/organizations/acme/resources",
            {"name": "x", "kind": "prefix", "value": "203.0.113.0/26"},
        ),
        browser.post("/sign-out"),
        Client(raise_request_exception=False).post(
            "/sign-in", {"username": "alice", "password": PASSWORD}
        ),
    ):
        assert answer.status_code == 503
        assert answer["Retry-After"] == "2"


def test_the_use_of_a_token_is_recorded_later_while_the_database_is_read_only(
    alice: User, api_of: ApiOf, read_only: Callable[[], None]
) -> None:
    api = api_of(alice)
    read_only()

    assert api.get("/api/v1/me").status_code == 200
