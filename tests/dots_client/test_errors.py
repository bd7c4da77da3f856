from __future__ import annotations

import inspect

import pytest

from dots_client import errors
from dots_client.model import ConflictCause, ConflictInformation, RedirectedSignal


def test_all_errors_form_one_tree() -> None:
    classes = [
        member
        for _, member in inspect.getmembers(errors, inspect.isclass)
        if member.__module__ == errors.__name__
    ]

    assert all(issubclass(member, errors.DotsError) for member in classes)


def test_the_tree_in_the_docstring_names_every_error() -> None:
    documented = errors.__doc__ or ""

    for name, member in inspect.getmembers(errors, inspect.isclass):
        if member.__module__ == errors.__name__ and not name.startswith("_"):
            assert name in documented


@pytest.mark.parametrize(("path", "words"), [("scope.lifetime", "scope.lifetime: no"), ("", "no")])
def test_an_error_of_the_codec_says_where(path: str, words: str) -> None:
    assert str(errors.EncodeError(path, "no")) == words
    assert str(errors.DecodeError(path, "no")) == words


def test_a_refusal_shows_the_diagnostic_of_the_server() -> None:
    assert str(errors.Refused("4.03", "not today")) == "4.03 not today"
    assert str(errors.Refused("4.04")) == "4.04"


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (ConflictCause.OVERLAPPING_TARGETS, "4.09 overlapping targets"),
        (99, "4.09 unknown conflict cause 99"),
        (None, "4.09 unknown conflict"),
    ],
)
def test_a_conflict_is_a_refusal_with_its_cause(
    cause: ConflictCause | int | None, words: str
) -> None:
    conflicted = errors.Conflicted(ConflictInformation(cause=cause))

    assert isinstance(conflicted, errors.Refused)
    assert str(conflicted) == words


def test_a_redirection_says_where_to_and_for_how_long() -> None:
    redirected = errors.Redirected(RedirectedSignal(alt_server="alt.example"), ttl_s=300)

    assert str(redirected) == "5.03 use alt.example"
    assert redirected.retry_after_s == 300
    assert isinstance(redirected, errors.ServerUnavailable)
