"""How many SQL statements and Redis commands a piece of work causes.

PostgreSQL counts with pg_stat_statements, which the server has to load (`POSTGRES_SETTINGS`).
Checks of foreign keys, which PostgreSQL runs itself, are not counted.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import redis

from tests.bench.report import table

POSTGRES_SETTINGS: Final = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.max": "5000",
}
NOT_COUNTED: Final = "/* measures */"
"""A statement that contains this comment is the measurement's own."""
_COMMIT: Final = "COMMIT"
_CONTROL: Final = frozenset({"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"})
_CALLS: Final = f"""
SELECT {NOT_COUNTED} calls, query FROM pg_stat_statements AS s JOIN pg_database AS d ON d.oid = s.dbid
WHERE datname = current_database() AND query NOT LIKE %s
-- so look the checks of foreign keys, which PostgreSQL runs at the end of a transaction
AND query NOT LIKE '%%FROM ONLY %%'
"""  # noqa: E501
_VERB: Final = re.compile(r"\s*([A-Za-z]+)")
_TABLE: Final = re.compile(r"\b(?:FROM|INTO|UPDATE|COPY)\s+\"?([a-z]\w*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Counts:
    """Of everything that uses the two servers, during `seconds`."""

    seconds: float
    statements: Mapping[str, float]
    "by verb and first table, such as `UPDATE mitigations_mitigation`; without BEGIN and its like"
    commits: float
    commands: Mapping[str, float]
    "of Redis, by name"
    connections: float
    "that Redis accepted"

    @property
    def all_statements(self) -> float:
        return sum(self.statements.values())

    @property
    def all_commands(self) -> float:
        return sum(self.commands.values())

    def each(self, count: int, *, idle: Counts) -> Counts:
        """Per piece of work, of which there were `count`.

        Subtracts the statements and commands of an installation without work in the same time.
        """
        share = self.seconds / idle.seconds
        return Counts(
            seconds=self.seconds / count,
            statements=_each(self.statements, idle.statements, share, count),
            commits=max(0.0, self.commits - share * idle.commits) / count,
            commands=_each(self.commands, idle.commands, share, count),
            connections=max(0.0, self.connections - share * idle.connections) / count,
        )

    def say(self, what: str, *, most: int = 10) -> None:
        """As a table, with the `most` frequent of each kind; the counts are per `what`."""
        table(
            (f"per {what}", "count"),
            [
                ("SQL statements", f"{self.all_statements:.2f}"),
                ("transactions", f"{self.commits:.2f}"),
                ("Redis commands", f"{self.all_commands:.2f}"),
                ("new connections to Redis", f"{self.connections:.2f}"),
                *_most_frequent("SQL", self.statements, most),
                *_most_frequent("Redis", self.commands, most),
            ],
        )


def _each(
    counts: Mapping[str, float], idle: Mapping[str, float], share: float, count: int
) -> dict[str, float]:
    rest = {name: value - share * idle.get(name, 0.0) for name, value in counts.items()}
    return {name: value / count for name, value in rest.items() if value > 0}


def _most_frequent(
    server: str, counts: Mapping[str, float], most: int
) -> Iterable[tuple[str, str]]:
    for name, value in sorted(counts.items(), key=lambda item: -item[1])[:most]:
        yield f"{server}: {name}", f"{value:.2f}"


class Servers:
    """PostgreSQL and Redis of one installation, and their counters since they started."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        self._postgres = psycopg.connect(database_url, autocommit=True)
        self._redis = redis.Redis.from_url(redis_url)
        self._postgres.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")

    def close(self) -> None:
        self._postgres.close()
        self._redis.close()

    def now(self) -> Counts:
        statements: Counter[str] = Counter()
        for calls, query in self._postgres.execute(_CALLS, [f"%{NOT_COUNTED}%"]).fetchall():
            statements[name_of(query)] += calls
        stats: dict[str, Any] = self._redis.info("commandstats")
        commands = {
            name.removeprefix("cmdstat_"): float(one["calls"])
            for name, one in stats.items()
            if name != "cmdstat_info"
        }
        return Counts(
            seconds=time.monotonic(),
            statements={
                name: float(calls) for name, calls in statements.items() if name not in _CONTROL
            },
            commits=float(statements[_COMMIT]),
            commands=commands,
            connections=float(self._redis.info("stats")["total_connections_received"]),
        )

    def since(self, before: Counts) -> Counts:
        after = self.now()
        return Counts(
            seconds=after.seconds - before.seconds,
            statements=_difference(after.statements, before.statements),
            commits=after.commits - before.commits,
            commands=_difference(after.commands, before.commands),
            connections=after.connections - before.connections,
        )


def _difference(after: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    return {name: value - before.get(name, 0.0) for name, value in after.items()}


def name_of(query: str) -> str:
    """The verb of a statement and the first table that it names."""
    verb = found[1].upper() if (found := _VERB.match(query)) else "?"
    named = _TABLE.search(query)
    return verb if named is None or verb in _CONTROL else f"{verb} {named[1]}"
