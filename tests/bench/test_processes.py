from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.bench.counts import Counts, name_of
from tests.bench.processes import CALLERS, Sample, Span, Usage, usages_of

BUSY_S = 0.3
USES = f"import time\nwhile time.process_time() < {BUSY_S}: pass"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {USES!r}])
print("its child has ended", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def parent_of_ended() -> Iterator[subprocess.Popen[str]]:
    """A process whose only child used BUSY_S and ended."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process


def test_children_that_ended_count_for_their_parent_only(
    parent_of_ended: subprocess.Popen[str],
) -> None:
    callers_before = usages_of({"parent": parent_of_ended.pid})[CALLERS].cpu_s

    usages = usages_of({"parent": parent_of_ended.pid})

    assert usages["parent"].cpu_s >= BUSY_S
    assert usages[CALLERS].cpu_s - callers_before < BUSY_S
    assert usages["parent"].rss_bytes > 0


def _span(*, pid_after: int) -> Span:
    before = Sample(10.0, {"web": Usage(1, 5.0, 0), "northgate": Usage(2, 1.0, 0)})
    after = Sample(20.0, {"web": Usage(pid_after, 8.0, 0), "northgate": Usage(2, 2.0, 0)})
    return Span(before, after, {"web": 0.1}, frozenset({"web"}))


def test_the_idle_share_is_subtracted_and_simulators_do_not_count_as_portal() -> None:
    span = _span(pid_after=1)

    assert span.share("web") == pytest.approx(0.3)
    assert span.cost_ms("web", 100) == pytest.approx(20.0)
    assert span.cost_of_portal_ms(100) == pytest.approx(20.0)
    assert span.cost_ms("northgate", 100) == pytest.approx(10.0)


def test_a_process_that_was_replaced_starts_from_nothing() -> None:
    assert _span(pid_after=3).cpu_s("web") == 8.0


def test_counts_per_piece_of_work_leave_out_what_happens_anyway() -> None:
    idle = Counts(10.0, {"UPDATE lease": 10.0}, 10.0, {"ping": 5.0}, 1.0)
    busy = Counts(20.0, {"UPDATE lease": 21.0, "INSERT event": 8.0}, 24.0, {"ping": 4.0}, 2.0)

    each = busy.each(4, idle=idle)

    assert each.statements == {"UPDATE lease": 0.25, "INSERT event": 2.0}
    assert (each.commits, each.all_commands, each.connections) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ('SELECT "a"."b" FROM "providers_subscription" WHERE x', "SELECT providers_subscription"),
        ('UPDATE "wire_x" SET a = $1', "UPDATE wire_x"),
        ('INSERT INTO "mitigations_event" ("a")', "INSERT mitigations_event"),
        ("COPY wire_wiremessage (a) FROM STDIN", "COPY wire_wiremessage"),
        ("DELETE FROM a_b", "DELETE a_b"),
        ("COMMIT", "COMMIT"),
        ("SELECT $1", "SELECT"),
    ],
)
def test_statements_are_named_by_verb_and_first_table(query: str, name: str) -> None:
    assert name_of(query) == name
