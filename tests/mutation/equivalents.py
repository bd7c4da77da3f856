"""Mutants that no test can notice, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalent:
    """A change that does not affect behaviour."""

    module: str
    before: str
    "the line, without its indentation"
    after: str
    why: str


NO_LIFETIME_IS_0: Final = "a lifetime is -1, for no end, or at least 1 (RFC 9132 section 4.4.1.1)"
NEVER_BEYOND_THE_LAST: Final = "after MAX_RELEASE_TRIES it is given up, so there is no later one"

EQUIVALENTS: Final = (
    *(
        Equivalent(
            module="dots_client/codec/check.py",
            before="decode_efficacy(data, lifetime=1)",
            after=f"decode_efficacy(data, lifetime={after})",
            why="only errors matter here, and the lifetime that a body omits is no error",
        )
        for after in (0, 2)
    ),
    *(
        Equivalent(
            module=f"portal/mitigations/services/{module}.py",
            before="@transaction.atomic(savepoint=False)",
            after="@transaction.atomic(savepoint=True)",
            why="a savepoint costs two statements, and an error ends the whole transaction anyway",
        )
        for module in ("advance", "outcomes")
    ),
    Equivalent(
        module="portal/mitigations/services/outcomes.py",
        before="is_last = tries == MAX_RELEASE_TRIES",
        after="is_last = tries >= MAX_RELEASE_TRIES",
        why=NEVER_BEYOND_THE_LAST,
    ),
    *(
        Equivalent(
            module="portal/mitigations/services/outcomes.py",
            before="event=EventType.MITIGATION_STATUS if tries == 1 or is_last else None,",
            after=f"event=EventType.MITIGATION_STATUS if tries {after} or is_last else None,",
            why="the number of tries begins with 1",
        )
        for after in ("<= 1", "< 2")
    ),
    Equivalent(
        module="portal/mitigations/services/advance.py",
        before="if len(mitigations) < 2:",
        after="if len(mitigations) < 1:",
        why="one provider alone takes the place of nobody; the line saves a query",
    ),
    Equivalent(
        module="portal/mitigations/services/advance.py",
        before="if has_uncovered_targets != request.has_uncovered_targets:",
        after="if has_uncovered_targets >= request.has_uncovered_targets:",
        why="it saves the value again that the row has",
    ),
    Equivalent(
        module="portal/mitigations/failover.py",
        before="if began is None or mitigation.ended_at is None or mitigation.lifetime_s < 0:",
        after="if began is None or mitigation.ended_at is None or mitigation.lifetime_s <= 0:",
        why=NO_LIFETIME_IS_0,
    ),
    Equivalent(
        module="portal/mitigations/failover.py",
        before="if began is None or mitigation.ended_at is None or mitigation.lifetime_s < 0:",
        after="if began is None or mitigation.ended_at is None or mitigation.lifetime_s < 1:",
        why=NO_LIFETIME_IS_0,
    ),
)


def explanation(diff: str) -> str | None:
    """Why no test can notice this change; None if it is unexplained."""
    lines = diff.splitlines()
    for one in EQUIVALENTS:
        known = (f"--- a/{one.module}", [_bare(one.before)], [_bare(one.after)])
        if known == (lines[0], _marked("-", lines[2:]), _marked("+", lines[2:])):
            return one.why
    return None


def _marked(mark: str, lines: Sequence[str]) -> list[str]:
    return [_bare(line[1:]) for line in lines if line.startswith(mark)]


def _bare(line: str) -> str:
    """Without whitespace, which a mutation may also change."""
    return "".join(line.split())
