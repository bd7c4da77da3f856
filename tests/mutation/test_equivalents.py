from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation.equivalents import EQUIVALENTS, Equivalent, explanation

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("one", EQUIVALENTS, ids=lambda one: one.before[:40])
def test_every_explained_mutant_is_still_in_its_module(one: Equivalent) -> None:
    lines = [line.strip() for line in (ROOT / one.module).read_text().splitlines()]

    assert one.before in lines
    assert one.before != one.after
    assert one.why


def test_only_the_change_that_is_explained_is_explained() -> None:
    one = EQUIVALENTS[0]
    diff = (
        f"--- a/{one.module}\n+++ b/{one.module}\n@@ -1 +1 @@\n-    {one.before}\n+    {one.after}"
    )

    assert explanation(diff) == one.why
    assert explanation(diff.replace(one.module, "portal/other.py")) is None
    assert explanation(diff + "0") is None
