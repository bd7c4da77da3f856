"""Static files of all installations on a machine are collected once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import pytest

from local_stack import static_files

TIME_FOR_ANOTHER_S = 0.3


def test_installations_that_start_together_collect_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    static, collected = tmp_path / "static", tmp_path / "collected"
    static.mkdir()
    (static / "portal.css").write_text("")
    monkeypatch.setattr(static_files, "ROOT", tmp_path)
    monkeypatch.setattr(static_files, "SOURCES", (static,))
    monkeypatch.setattr(static_files, "COLLECTED", collected)
    together, another = Barrier(8), Event()
    calls: list[tuple[str, ...]] = []

    def manage(*arguments: str) -> str:
        calls.append(arguments)
        if len(calls) > 1:
            another.set()
        another.wait(TIME_FOR_ANOTHER_S)
        collected.mkdir(exist_ok=True)
        return ""

    def start() -> None:
        together.wait(timeout=10)
        static_files.collect_if_changed(manage)

    with ThreadPoolExecutor(8) as starting:
        for done in [starting.submit(start) for _ in range(8)]:
            done.result()

    assert calls == [("collectstatic", "--no-input", "--clear")]
