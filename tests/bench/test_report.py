from __future__ import annotations

from importlib import import_module

import pytest

from tests.bench.__main__ import BENCHMARKS
from tests.bench.report import NEVER, in_percent, in_seconds, percentile, share_within


def test_a_benchmark_never_run_counts_as_not_done() -> None:
    times = [0.1, 0.2, 5.0, NEVER]

    assert share_within(times, 5.0) == 0.75
    assert percentile(times, 0.5) == 5.0
    assert in_seconds(percentile(times, 0.9)) == "–"


@pytest.mark.parametrize(
    ("share", "words"), [(0.0, "0 %"), (0.5, "50.0 %"), (0.9996, "99.9 %"), (1.0, "100 %")]
)
def test_almost_all_is_not_reported_as_all(share: float, words: str) -> None:
    assert in_percent(share) == words


def test_every_benchmark_is_a_module_with_a_main() -> None:
    assert all(callable(import_module(f"tests.bench.{name}").main) for name in BENCHMARKS)
