"""Pages, API, documents, code and names of tests are free of phrases of translated English."""

from __future__ import annotations

import pytest

from tests.plain_english import (
    IN_CODE,
    IN_NAMES,
    PACKAGES,
    SHOWN,
    explanations,
    names_of_tests,
    phrases_in,
    shown_texts,
    sources,
)


def test_every_shown_text_is_plain_english() -> None:
    wrong = [
        f"{place}: {phrase}" for place, text in shown_texts() for phrase in phrases_in(text, SHOWN)
    ]

    assert not wrong, "\n".join(wrong)


def test_docstrings_and_comments_are_plain_english() -> None:
    wrong = [
        f"{place}: {phrase}"
        for place, source in sources((*PACKAGES, "tests"))
        for text in explanations(source)
        for phrase in phrases_in(text, IN_CODE)
    ]

    assert not wrong, "\n".join(wrong)


def test_names_of_tests_are_plain_english() -> None:
    wrong = [
        f"{place}: {phrase}"
        for place, source in sources(["tests"])
        for name in names_of_tests(source)
        for phrase in phrases_in(name, IN_NAMES)
    ]

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "said",
    [
        "Nobody has confirmed it yet.",
        "Northgate stopped by itself.",
        "Whoever runs the portal has to start it.",
        "Northgate: asked. Who was withdrawn may be asked again.",
        "At most 32 are kept.",
        "It ended at 03:12; that is from then.",
        "Keep a session in peace, for nothing else works under attack.",
    ],
)
def test_an_odd_sentence_is_found(said: str) -> None:
    assert list(phrases_in(said, SHOWN))


@pytest.mark.parametrize(
    "source",
    [
        '"""What was rolled back is sent again."""\n',
        'def retry() -> None:\n    """Ask whom the order names."""\n',
        'LIMIT = 3\n"""Of a request: how often it is sent."""\n',
        "# What is quoted from the wire\n# is spelled as it was sent.\n",
        "x = 1  # nobody else\n",
    ],
)
def test_an_odd_docstring_or_comment_is_found(source: str) -> None:
    assert [one for text in explanations(source) for one in phrases_in(text, IN_CODE)]


@pytest.mark.parametrize("name", ["what_was_sent_stays", "a_fix_mends_it", "nobody_is_refused"])
def test_an_odd_name_of_a_test_is_found(name: str) -> None:
    [words] = names_of_tests(f"def test_{name}() -> None: ...")

    assert list(phrases_in(words, IN_NAMES))


@pytest.mark.parametrize(
    "said",
    [
        "nobody-may-protect",
        "Who can request",
        "Retrying at 03:12.",
        "What a person can do if the provider is away.",
        "What the portal knows about a provider.",
        "What must hold once everything works again.",
        "Who may hold a socket open: checked before it opens.",
    ],
)
def test_codes_labels_and_plain_sentences_pass(said: str) -> None:
    assert not list(phrases_in(said, SHOWN | IN_CODE))
