from __future__ import annotations

from tests.mutation.results import Counts, table


def test_the_table_has_a_row_per_target() -> None:
    counts = Counts(target="states", mutants=92, sampled=50, killed=38, explained=1, survived=1)

    assert table([counts]).splitlines() == [
        "| target | mutants | tested | killed | explained | survived |",
        "| --- | --- | --- | --- | --- | --- |",
        "| states | 92 | 40 | 38 | 1 | 1 |",
    ]
