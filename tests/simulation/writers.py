"""Which worker's process wrote what providers answered and reported.

A trigger of SQLite asks for the process whose call is running, so it makes no difference which code
writes.
"""

from __future__ import annotations

from typing import Final

from tests.simulation.database import sqlite

COLUMNS: Final = ("dots_status", "reported_at", "confirmed_at")
"""A person or a sweep writes none of them."""
NOTE_WRITERS: Final = f"""
CREATE TABLE simulation_foreign (writer, client, mid);
CREATE TRIGGER simulation_note_writer AFTER UPDATE OF {", ".join(COLUMNS)} ON mitigations_mitigation
WHEN simulation_process() IS NOT NULL
    AND ({" OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in COLUMNS)})
    AND NOT EXISTS (
        SELECT 1 FROM signaling_lease
        WHERE subscription_id = NEW.subscription_id
            AND substr(worker_id, 1, length(simulation_process()) + 1) = simulation_process() || '-'
    )
BEGIN
    INSERT INTO simulation_foreign
    SELECT simulation_process(), certificate_chain, NEW.mid
    FROM providers_subscription WHERE id = NEW.subscription_id;
END;
"""


def foreign_writes() -> list[str]:
    """What a worker committed although another one, or none, owned the subscription."""
    rows = sqlite().execute("SELECT writer, client, mid FROM simulation_foreign")
    return [
        f"{writer} wrote what became of {client} mid {mid}, which it did not own"
        for writer, client, mid in rows
    ]
