from __future__ import annotations

from pathlib import Path

from local_stack.stack import Stack
from portal import env


def test_a_database_that_a_developer_made_by_hand_is_not_taken_for_the_demos(
    tmp_path: Path,
) -> None:
    by_hand = env.database("", default_path=tmp_path / "portal.sqlite3")

    assert not Stack(tmp_path).database_url.endswith(Path(str(by_hand["NAME"])).name)
