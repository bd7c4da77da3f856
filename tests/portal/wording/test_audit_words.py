"""What an audit entry says about its fields."""

from __future__ import annotations

import pytest

from portal.audit.models import AuditEntry
from portal.wording import audit


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ({"device": "new"}, "browser or program: not used before"),
        ({"of": "dana", "why": "signed-out"}, "person: dana, because: it was signed out"),
        ({"step": "password"}, "refused: the name or password"),
        ({"lifetime": -1}, "lifetime in seconds: until terminated"),
        ({"patience_s": 20}, "patience: 20"),
        ({"of_a_later_release": 1}, "of a later release: 1"),
    ],
)
def test_fields_and_codes_have_words(after: dict[str, object], words: str) -> None:
    assert ", ".join(audit.details(AuditEntry(after=after))) == words


def test_changed_values_have_words_on_both_sides() -> None:
    entry = AuditEntry(before={"device": "new"}, after={"device": "known"})

    assert audit.details(entry) == ["browser or program: not used before → used before"]
