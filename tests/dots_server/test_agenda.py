from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dots_server.agenda import IMMEDIATELY, MAX_OUTDATED, Agenda

KEYS = st.integers(0, 3)
TIMES = st.integers(0, 9).map(float)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("set"), KEYS, st.none() | TIMES),
            st.tuples(st.just("hurry"), KEYS, st.just(IMMEDIATELY)),
            st.tuples(st.just("bring_forward"), KEYS, TIMES),
            st.tuples(st.just("take_due"), KEYS, TIMES),
        )
    )
)
def test_each_key_is_due_at_its_time_and_at_no_other(
    steps: list[tuple[str, int, float | None]],
) -> None:
    agenda: Agenda[int] = Agenda()
    expected: dict[int, float] = {}
    for operation, key, at in steps:
        if operation == "take_due":
            assert at is not None
            due = agenda.take_due(at)
            assert [expected[one] for one in due] == sorted(expected[one] for one in due)
            assert set(due) == {one for one, due_at in expected.items() if due_at <= at}
            for one in due:
                del expected[one]
        elif operation == "set" and at is None:
            agenda.set(key, None)
            expected.pop(key, None)
        elif operation == "hurry":
            agenda.hurry(key)
            expected[key] = IMMEDIATELY
        else:
            assert at is not None
            if operation == "set":
                agenda.set(key, at)
            else:
                agenda.bring_forward(key, at)
                at = min(at, expected.get(key, at))
            expected[key] = at
        assert agenda.next() == min(expected.values(), default=None)


def test_a_key_that_moves_often_does_not_fill_the_heap() -> None:
    agenda: Agenda[str] = Agenda()
    for at in range(10_000, 0, -1):
        agenda.set("first", 0.0)
        agenda.set("first", -1.0)
        agenda.set("moving", float(at))

    assert len(agenda) <= 2 * 2 + MAX_OUTDATED
