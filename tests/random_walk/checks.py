"""What must hold after each step."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import connection

from tests.random_walk.canaries import CANARY, UUID_TEXT
from tests.random_walk.cast import Caller
from tests.random_walk.owned_rows import digest_of, model_of_table
from tests.random_walk.world import World

WRITES: Final = re.compile(r'(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?([a-z_]+)"?', re.IGNORECASE)


class Told:
    """What each tenant's callers have sent. They may read it again: it tells them nothing."""

    def __init__(self) -> None:
        self._sent: defaultdict[str, set[str]] = defaultdict(set)

    def note(self, caller: Caller, sent: str) -> None:
        for place in (*caller.sees, caller.name):
            self._sent[place].update(_secrets_in(sent))

    def knows(self, caller: Caller, secret: str) -> bool:
        return any(secret in self._sent[place] for place in (*caller.sees, caller.name))


def _secrets_in(text: str) -> set[str]:
    return {one[0] for pattern in (CANARY, UUID_TEXT) for one in pattern.finditer(text)}


def leaks(world: World, told: Told, caller: Caller, route: str, shown: str) -> Iterator[str]:
    """The secrets of other tenants in what the caller was shown."""
    for secret in sorted(_secrets_in(shown)):
        found = CANARY.fullmatch(secret)
        slug = found[1] if found else world.owner_of.get(secret, "")
        if slug and not caller.may_see(slug, route) and not told.knows(caller, secret):
            at = shown.index(secret)
            yield f"shows {secret} of {slug}: …{shown[max(0, at - 80) : at + 60]!r}…"


class Rows:
    """The tenants' rows as hashes, taken again for each table that a step has written to."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._touched: set[str] = set()
        self._hashes = {
            (slug, table): digest_of(model, tenant.organization.pk)
            for slug, tenant in world.tenants.items()
            for table, model in model_of_table().items()
        }
        self._start = dict(self._hashes)

    def start_again(self) -> None:
        """The rows are what they were at first."""
        self._hashes = dict(self._start)

    @contextmanager
    def watched(self) -> Iterator[None]:
        self._touched = set()
        with connection.execute_wrapper(self._note):
            yield

    def _note(self, run: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if isinstance(sql, str) and not sql.startswith("SELECT"):
            self._touched.update(one.lower() for one in WRITES.findall(sql))
        return run(sql, parameters, many, context)

    def changes(self, caller: Caller, route: str) -> Iterator[str]:
        """What the caller changed without a right, since the last call of this."""
        models = model_of_table()
        for table in sorted(self._touched & models.keys()):
            for slug, tenant in self._world.tenants.items():
                now = digest_of(models[table], tenant.organization.pk)
                if now == self._hashes[slug, table]:
                    continue
                self._hashes[slug, table] = now
                if not caller.may_change(slug, table, route):
                    yield f"changes {table} of {slug}"
