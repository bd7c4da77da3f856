"""The random word of a mailed link, in a path."""

from __future__ import annotations

from typing import Final

from django.urls import register_converter

MAX_WORD_LENGTH: Final = 64
WORD: Final = "<word:token>"


class TokenConverter:
    """Only what such a word can have; the services compare it."""

    regex = rf"[A-Za-z0-9_-]{{1,{MAX_WORD_LENGTH}}}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(TokenConverter, "word")
