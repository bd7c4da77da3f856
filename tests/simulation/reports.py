"""In which order providers' reports reached a worker, and in which order the rows show them.

A trigger of SQLite notes what each committed write changed, so it makes no difference which code
writes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import cbor2

from dots_client.server import MITIGATION_SCOPE, cbor_key
from portal.mitigations.models import Mitigation
from tests.simulation.database import sqlite

NEARLY_AT_ONCE_S: Final = 0.05
"""Two reports this close together may be saved in either order: nothing orders an
answer to a poll and a notification.
"""
LARGEST: Final = 2**63 - 1
COLUMNS: Final = ("dots_status", "bytes_dropped", "pkts_dropped")
NOTE_WRITES: Final = f"""
CREATE TABLE simulation_written (client, mid, {", ".join(COLUMNS)});
CREATE TRIGGER simulation_note AFTER UPDATE OF {", ".join(COLUMNS)} ON mitigations_mitigation
WHEN {" OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in COLUMNS)}
BEGIN
    INSERT INTO simulation_written
    SELECT certificate_chain, NEW.mid,
        {", ".join(f"CASE WHEN OLD.{it} IS NOT NEW.{it} THEN NEW.{it} END" for it in COLUMNS)}
    FROM providers_subscription WHERE id = NEW.subscription_id;
END;
"""

_MESSAGE: Final = cbor_key(MITIGATION_SCOPE)
_SCOPE: Final = cbor_key("scope")
_MID: Final = cbor_key("mid")
_KEYS: Final = tuple(map(cbor_key, ("status", "bytes-dropped", "pkts-dropped")))


@dataclass(frozen=True, slots=True)
class Heard:
    """One report as it arrived: a value for each of COLUMNS, None if it is missing or odd."""

    at: float
    values: tuple[int | None, ...]


class Reports:
    """All reports of a life, by client and mid."""

    def __init__(self) -> None:
        self._heard: defaultdict[tuple[str, int], list[Heard]] = defaultdict(list)

    def arrived(self, client: str, body: bytes, *, at: float) -> None:
        for mid, values in _read(body):
            self._heard[client, mid].append(Heard(at, values))

    def are_saved(self, client: str, row: Mitigation) -> bool:
        """Whether the row shows the numbers of the last report about it."""
        heard = self._heard.get((client, row.mid))
        if not heard:
            return False
        shown = row.bytes_dropped, row.pkts_dropped
        return all(
            value is None or value == known
            for value, known in zip(heard[-1].values[1:], shown, strict=True)
        )

    def overtaken(self) -> list[str]:
        """What the rows showed although a later report had been shown before."""
        query = f"SELECT client, mid, {', '.join(COLUMNS)} FROM simulation_written"
        at: defaultdict[tuple[str, int, str], int] = defaultdict(int)
        found = []
        for client, mid, *values in sqlite().execute(query):
            heard = self._heard[client, mid]
            for number, (column, value) in enumerate(zip(COLUMNS, values, strict=True)):
                if value is None:
                    continue
                key = client, mid, column
                shown = _next(heard, number, value, after=at[key])
                if shown is None:
                    found.append(f"{client} mid {mid} shows {column} {value} late or never heard")
                else:
                    at[key] = shown
        return found


def _next(heard: Sequence[Heard], number: int, value: int, *, after: int) -> int | None:
    """The first report with this value that did not arrive before the one at `after`."""
    if not heard:
        return None
    since = heard[after].at - NEARLY_AT_ONCE_S
    matching = (
        index for index, one in enumerate(heard) if one.at >= since and one.values[number] == value
    )
    return next(matching, None)


def _read(body: bytes) -> Iterator[tuple[int, tuple[int | None, ...]]]:
    if not body:
        return
    message = cbor2.loads(body)
    if not isinstance(message, dict):
        return
    for entry in message.get(_MESSAGE, {}).get(_SCOPE, []):
        if type(mid := entry.get(_MID)) is int:
            yield mid, tuple(_number(entry.get(key)) for key in _KEYS)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value <= LARGEST else None
