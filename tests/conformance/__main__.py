"""`python -m tests.conformance` writes docs/conformance.md to stdout; exit status 1 if a rule has
neither test nor reason.
"""

from __future__ import annotations

import sys
from collections import Counter

from tests.conformance.rules import (
    ROOT,
    Exemption,
    Kind,
    Rule,
    Shown,
    contradictions,
    exemptions,
    rules,
    shown_in,
)

HEAD = """\
# Rule by rule

The rules of RFC 9132 for a client (SC) and for a server (SS), in our own words, and the tests that would fail if a
rule were broken. `python -m tests.conformance > docs/conformance.md` writes this page from
`tests/conformance/rules.csv` (the rules), `tests/conformance/exceptions.csv` (why some have no test) and the markers
`@pytest.mark.rule` of the tests; `scripts/lint` fails if a rule has neither. The server rules are tested on the
provider simulator. Level "needed" marks rules that the RFC states without a keyword, and "advice" marks rules that
are not in the RFC. Sections refer to RFC 9132 unless a row names another document.
"""
PARTS = (("SC", "Client"), ("SS", "Server (the provider simulator)"))


def page(
    listed: dict[str, Rule], exempt: dict[str, Exemption], shown: dict[str, list[Shown]]
) -> str:
    lines = [HEAD]
    for prefix, title in PARTS:
        part = [rule for rule in listed.values() if rule.id.startswith(prefix)]
        counts = Counter(exempt[rule.id].kind for rule in part if rule.id in exempt)
        lines += [
            f"## {title}\n",
            f"{len(part)} rules: {sum(rule.id in shown for rule in part)} shown by tests, "
            f"{counts[Kind.NOT_YET]} not yet, {counts[Kind.DECIDED_OTHERWISE]} decided otherwise, "
            f"{counts[Kind.NOT_APPLICABLE]} do not apply.\n",
            "| Rule | Level | Section | What | Shown by |",
            "| --- | --- | --- | --- | --- |",
            *(_row(rule, exempt, shown) for rule in part),
            "",
        ]
    return "\n".join(lines)


def _row(rule: Rule, exempt: dict[str, Exemption], shown: dict[str, list[Shown]]) -> str:
    proofs = [f"[{_in_words(test.name)}](../{test.path})" for test in shown.get(rule.id, ())]
    if rule.id in exempt:
        proofs.append(f"**{exempt[rule.id].kind.value}**: {exempt[rule.id].reason}")
    return f"| {rule.id} | {rule.level} | {rule.section} | {rule.text} | {'; '.join(proofs)} |"


def _in_words(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")


def main() -> int:
    listed, exempt, shown = rules(), exemptions(), shown_in(ROOT / "tests")
    wrong = contradictions(listed, exempt, shown)
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    sys.stdout.write(page(listed, exempt, shown))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
