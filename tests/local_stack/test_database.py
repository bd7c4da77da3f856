from __future__ import annotations

from pathlib import Path

from local_stack.stack import Stack
from portal import env


def test_a_developers_own_database_is_not_used_by_the_demo(
    tmp_path: Path,
) -> None:
    by_hand = env.database("", default_path=tmp_path / "portal.sqlite3", prepares=True)

    assert not Stack(tmp_path).database_url.endswith(Path(str(by_hand["NAME"])).name)
