from __future__ import annotations

import pytest

from portal.alerts.alert import Rejection, RejectionCode
from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertVerdict
from portal.wording import alerts


@pytest.mark.parametrize("code", list(RejectionCode))
@pytest.mark.parametrize("field", ["", "targets.0"])
def test_each_rejection_is_a_sentence(code: RejectionCode, field: str) -> None:
    words = alerts.rejection(Rejection(0, code, field))

    assert words[0].isupper()
    assert words.endswith(".")
    assert not words.endswith("..")


def test_each_source_and_verdict_has_words() -> None:
    assert len({alerts.source(one) for one in AlertSource}) == len(AlertSource)
    assert len({alerts.verdict(one) for one in AlertVerdict}) == len(AlertVerdict)
