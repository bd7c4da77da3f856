from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from portal.web.requests.line_diff import ChangedLine, line_diff

texts = st.lists(st.text(alphabet="ab{}, ", max_size=4), max_size=8).map("\n".join)


def test_only_the_differing_line_is_marked() -> None:
    before, after = line_diff('{\n  "lifetime": 3600\n}', '{\n  "lifetime": 7200\n}')

    assert before == [
        ChangedLine("{", False),
        ChangedLine('  "lifetime": 3600', True),
        ChangedLine("}", False),
    ]
    assert after == [
        ChangedLine("{", False),
        ChangedLine('  "lifetime": 7200', True),
        ChangedLine("}", False),
    ]


def test_every_line_is_new_without_a_previous_text() -> None:
    assert line_diff("", "a\nb") == ([], [ChangedLine("a", True), ChangedLine("b", True)])


@given(before=texts, after=texts)
def test_no_line_is_lost_and_unmarked_lines_are_on_both_sides(before: str, after: str) -> None:
    old, new = line_diff(before, after)

    assert [line.text for line in old] == before.splitlines()
    assert [line.text for line in new] == after.splitlines()
    kept = [[line.text for line in side if not line.is_changed] for side in (old, new)]
    assert kept[0] == kept[1]
    assert (before.splitlines() == after.splitlines()) == (
        not any(line.is_changed for line in (*old, *new))
    )
