"""The words of notices."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.urls import resolve
from hypothesis import given
from hypothesis import strategies as st

from portal.notifications.facts import NoticeFacts
from portal.notifications.kinds import NoticeKind
from portal.notifications.message import Severity
from portal.notifications.messages import PAGES
from portal.notifications.wording import KIND_NAMES, MAX_TEXT, MAX_TITLE, words_of

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
facts = st.builds(
    NoticeFacts,
    number=st.just("3f2a-99c1"),
    name=text,
    is_plan=st.booleans(),
    provider=text,
    phone=text,
    why=text | st.sampled_from(["superseded", "extension", "lifetime", "terminate"]),
    code=text | st.sampled_from(["4.09", "5.08", "not-sendable", "confirmed"]),
    reason=text,
    until=st.none() | st.just(NOW),
    since=st.none() | st.just(NOW),
    by=text,
    asked=st.integers(0, 9),
    count=st.integers(0, 9),
)


@given(
    kind=st.sampled_from(NoticeKind),
    severity=st.sampled_from(Severity),
    facts=facts,
    with_names=st.booleans(),
)
def test_every_notice_has_a_short_title_and_sentences(
    kind: NoticeKind, severity: Severity, facts: NoticeFacts, with_names: bool
) -> None:
    words = words_of(kind, severity, facts, occurred_at=NOW, with_names=with_names)

    assert 0 < len(words.title) <= MAX_TITLE
    assert "\n" not in words.title
    assert 0 < len(words.text) <= MAX_TEXT


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("kind", NoticeKind)
def test_a_title_names_no_target_unless_wished(kind: NoticeKind, severity: Severity) -> None:
    secret = NoticeFacts(
        number="3f2a-99c1", name="Shop front-end", provider="Northgate", asked=2, until=NOW
    )

    words = words_of(kind, severity, secret, occurred_at=NOW, with_names=False)

    assert "Shop" not in words.title


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("kind", NoticeKind)
def test_a_locked_screen_shows_no_target_unless_wished(
    kind: NoticeKind, severity: Severity
) -> None:
    secret = NoticeFacts(name="Shop front-end", provider="Northgate", reason="Shop is slow")

    hidden, shown = (
        words_of(
            kind, severity, secret, occurred_at=NOW, with_names=with_names, is_locked=True
        ).text
        for with_names in (False, True)
    )

    assert "Shop" not in hidden
    assert "Shop" in shown


@pytest.mark.parametrize("kind", NoticeKind)
def test_every_kind_has_a_name_and_is_documented(kind: NoticeKind) -> None:
    assert KIND_NAMES[kind]
    assert f"`{kind}`" in (ROOT / "docs/notices.md").read_text()


@pytest.mark.parametrize("path", sorted(PAGES.values()))
def test_the_page_of_each_kind_exists(path: str) -> None:
    assert resolve(f"/organizations/acme{path}")
