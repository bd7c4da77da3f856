"""`python -m tests.asvs` writes docs/asvs.md to stdout; exit status 1 if a row is empty or wrong."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from tests.asvs.requirements import Chapter, Requirement, Status, chapters, contradictions

HEAD = """\
# Security requirements

What the portal does about each requirement of the
[OWASP Application Security Verification Standard](https://github.com/OWASP/ASVS) 5.0.0, levels 1 and 2. The sentences
are ours, so look up the exact words there by the number. `python -m tests.asvs > docs/asvs.md` writes this page from
`tests/asvs/chapters`; `scripts/lint` fails if a requirement is missing, has no answer, or names a test that does not
exist.

A requirement is **tested** (these tests fail if it is broken), met for a **reason** that no test can show, **not
applicable**, or a **gap**.
"""


def page(listed: Sequence[Chapter]) -> str:
    every = [one for chapter in listed for one in chapter.requirements]
    lines = [HEAD, _counts(listed), "\n## Gaps\n", *_gaps(every)]
    for chapter in listed:
        lines += [
            f"\n## V{chapter.number} {chapter.name}\n",
            "| No. | Level | What it asks | Answer |",
            "| --- | --- | --- | --- |",
            *(
                f"| {one.id} | {one.level} | {one.means} | {_answer(one)} |"
                for one in chapter.requirements
            ),
        ]
    return "\n".join(lines) + "\n"


def _counts(listed: Sequence[Chapter]) -> str:
    columns = list(Status)
    lines = [
        "| Chapter | Requirements | Tested | Reason | Not applicable | Gap |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    total: Counter[Status] = Counter()
    for chapter in listed:
        counts = Counter(one.status for one in chapter.requirements)
        total += counts
        lines.append(_row(f"V{chapter.number} {chapter.name}", [counts[one] for one in columns]))
    return "\n".join([*lines, _row("**All**", [total[one] for one in columns])])


def _row(name: str, numbers: Sequence[int]) -> str:
    return f"| {name} | {sum(numbers)} | {' | '.join(map(str, numbers))} |"


def _gaps(every: Sequence[Requirement]) -> list[str]:
    return [
        f"- **{one.id}** (level {one.level}): {one.words}"
        for one in every
        if one.status is Status.GAP
    ]


def _answer(one: Requirement) -> str:
    if one.status is Status.TESTED:
        return "; ".join(map(_link, one.tests))
    return {
        Status.REASON: one.words,
        Status.NOT_APPLICABLE: f"not applicable: {one.words}",
        Status.GAP: f"**gap**: {one.words}",
    }[one.status]


def _link(test: str) -> str:
    path, _, function = test.partition("::")
    return f"[{function.removeprefix('test_').replace('_', ' ')}](../{path})"


def main() -> int:
    listed = chapters()
    wrong = contradictions(listed)
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    sys.stdout.write(page(listed))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
