"""The keys of an event's data are known: those of this release, and those of rows that earlier
releases wrote.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from portal.events.data import EventData

DUMPS = sorted((Path(__file__).parents[2] / "upgrade").glob("*.sql"))
ROW = re.compile(r"INSERT INTO public\.mitigations_event VALUES .*?'(\{.*\})'")


@pytest.mark.parametrize("dump", DUMPS, ids=lambda path: path.stem)
def test_every_key_that_an_earlier_release_wrote_is_known(dump: Path) -> None:
    rows = [json.loads(text) for text in ROW.findall(dump.read_text())]

    assert len(rows) > 20
    assert {key for row in rows for key in row} - EventData.__annotations__.keys() == set()
