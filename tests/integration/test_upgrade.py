"""Databases of earlier releases are migrated without losing anything.

Each file was made by `python -m tests.upgrade`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from tests.integration.stack import Databases

ROOT = Path(__file__).resolve().parents[2]
RELEASES = sorted((ROOT / "tests/upgrade").glob("*.sql"))
# Created by `migrate`.
NOT_COUNTED = {"django_migrations", "django_content_type", "auth_permission"}
SCHEMA: tuple[LiteralString, ...] = (
    """SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default
       FROM information_schema.columns WHERE table_schema = 'public'""",
    # By name: pg_dump writes the expressions of checks in another way.
    """SELECT conrelid::regclass::text, conname, contype::text FROM pg_constraint
       WHERE connamespace = 'public'::regnamespace""",
    """SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexdef NOT LIKE '%WHERE%'""",
    """SELECT tablename, indexname FROM pg_indexes WHERE schemaname = 'public'""",
)


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.stem)
def test_a_database_of_an_earlier_release_is_upgraded(
    release: Path, databases: Databases, db: None
) -> None:
    url = databases.make("portal_upgrade")
    with psycopg.connect(url, autocommit=True) as old:
        old.execute(release.read_bytes())
        expected_keys = use_keys(old)
        expected_causes = use_sentences(old)
        before = counted(old)
        columns_before = columns(old)

    manage(url, "manage.py", "migrate", "--no-input")

    with psycopg.connect(url, autocommit=True) as upgraded:
        after = counted(upgraded)
        schema = schema_of(upgraded)
        columns_after = columns(upgraded)
        keys = upgraded.execute(
            "SELECT sender, result_kind, key, digest, result_id, created_at FROM "
            "organizations_idempotencykey"
        ).fetchall()
        causes = upgraded.execute(
            """SELECT id, cause, cause_subscription_id, because, withdrawn_cause, withdrawn_for, withdrawn_because
               FROM mitigations_mitigation WHERE because <> ''"""
        ).fetchall()
        faults = upgraded.execute(
            "SELECT DISTINCT session_fault, session_detail FROM providers_subscription"
        ).fetchall()
    assert sorted(causes) == sorted(expected_causes)
    assert faults == [("no_worker", "")]
    assert before["mitigations_mitigationrequest"] >= 3
    assert set(keys) == expected_keys
    assert {table: after[table] for table in before if table in after} == before
    with connection.cursor() as fresh:
        assert schema == schema_of(fresh)
    # Processes of the earlier release still read and insert rows until they are restarted.
    assert columns_before.keys() - columns_after.keys() == set()
    tables = {table for table, _ in columns_before}
    new = columns_after.keys() - columns_before.keys()
    assert [one for one in new if one[0] in tables and not columns_after[one]] == []
    assert manage(url, "-m", "tests.upgrade.visit").strip() == "2"


def use_keys(old: psycopg.Connection[Any]) -> set[tuple[Any, ...]]:
    """Save one key for a request and one for a resource, both named "k1"; what the table of all
    keys has to hold.
    """
    tables: dict[str, tuple[LiteralString, LiteralString]] = {
        "request": ("mitigations_idempotencykey", "mitigations_mitigationrequest"),
        "resource": ("organizations_resourcekey", "organizations_protectedresource"),
    }
    expected = set()
    for kind, (table, results) in tables.items():
        query = sql.SQL(
            """INSERT INTO {table} (organization_id, user_id, key, digest, {result}, created_at)
               SELECT organization_id, (SELECT id FROM public.accounts_user WHERE username = 'alice'), 'k1',
                      repeat('a', 64), id, now() FROM {results} LIMIT 1
               RETURNING 'person:' || user_id, {kind}, key, digest, {result}, created_at"""
        )
        parts = {
            "table": sql.Identifier("public", table),
            "results": sql.Identifier("public", results),
        }
        result = sql.Identifier(f"{kind}_id")
        rows = old.execute(query.format(**parts, result=result, kind=sql.Literal(kind)))
        expected |= set(rows.fetchall())
    assert len(expected) == len(tables)
    return expected


def use_sentences(old: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    """Give the two providers of one request the reasons of the earlier release; their codes, with
    the text beside them.
    """
    rows = old.execute(
        """SELECT mitigation.id, subscription.id, provider.short_name
           FROM public.mitigations_mitigation mitigation
           JOIN public.providers_subscription subscription ON subscription.id = mitigation.subscription_id
           JOIN public.providers_provider provider ON provider.id = subscription.provider_id
           WHERE request_id IN (SELECT request_id FROM public.mitigations_mitigation GROUP BY 1 HAVING count(*) = 2)
           ORDER BY provider.short_name"""
    ).fetchall()
    old.execute(
        "UPDATE public.providers_subscription SET session_detail = %s",
        ("The part of the portal that talks to providers is not running.",),
    )
    (first, northgate, name), (second, _, _) = rows
    known, unknown = (
        (f"{name} did not answer", f"{name} reports that it is filtering"),
        ("the moon was full",) * 2,
    )
    for row, (because, withdrawn) in ((first, unknown), (second, known)):
        old.execute(
            (
                "UPDATE public.mitigations_mitigation SET because = %s, withdrawn_because = %s "
                "WHERE id = %s"
            ),
            (because, withdrawn, row),
        )
    return [
        (first, "other", None, unknown[0], "other", [], unknown[1]),
        (second, "silent", northgate, known[0], "earlier_filters", [str(northgate)], known[1]),
    ]


def counted(database: psycopg.Connection[Any]) -> dict[str, int]:
    """How many rows each table has."""
    tables = database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    counts = {}
    for (table,) in tables.fetchall():
        query = sql.SQL("SELECT count(*) FROM public.{}").format(sql.Identifier(table))
        [(counts[table],)] = database.execute(query).fetchall()
    return {table: count for table, count in counts.items() if table not in NOT_COUNTED}


def columns(database: psycopg.Connection[Any]) -> dict[tuple[str, str], bool]:
    """Of each column, by table and name, whether a row can be inserted without it."""
    found = database.execute(
        """SELECT table_name, column_name, is_nullable = 'YES' OR column_default IS NOT NULL
           FROM information_schema.columns WHERE table_schema = 'public'"""
    )
    return {(table, column): is_optional for table, column, is_optional in found.fetchall()}


def schema_of(database: Any) -> list[set[tuple[Any, ...]]]:
    """Columns, constraints and indexes, whatever the order in which they came."""
    found = []
    for query in SCHEMA:
        rows = database.execute(query) or database
        found.append({tuple(row) for row in rows.fetchall()})
    return found


def manage(url: str, *arguments: str) -> str:
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PORTAL_DEBUG": "1",
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
