"""Why no session could be made, or one ended, as a code beside the text."""

from __future__ import annotations

from enum import StrEnum


class FailureKind(StrEnum):
    """What a person would do about it is different for each."""

    NO_ADDRESS = "no-address"
    NOTHING_LISTENS = "nothing-listens"
    "the host answered that no program listens at the port"
    SILENT = "silent"
    UNREACHABLE = "unreachable"
    "the network or this machine refused"
    UNFINISHED = "unfinished"
    "the peer answered, and the handshake did not end in time"
    UNTRUSTED = "untrusted"
    "the peer's certificate leads to no authority that is trusted here"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    WRONG_NAME = "wrong-name"
    BAD_CERTIFICATE = "bad-certificate"
    "the peer's certificate is wrong in another way"
    REFUSED_CERTIFICATE = "refused-certificate"
    "the peer refused ours"
    CUT_EARLY = "cut-early"
    "the connection ended before the session began, which may be a refusal of our certificate"
    NOT_DOTS = "not-dots"
    "something else than a DOTS server answers"
    OTHER = "other"


class FailureText(str):
    """The text of a failure, with its kind."""

    __slots__ = ("kind",)

    kind: FailureKind

    def __new__(cls, text: str, kind: FailureKind) -> FailureText:
        """`text` for people, `kind` for programs."""
        made = super().__new__(cls, text)
        made.kind = kind
        return made


def kind_of(text: object) -> FailureKind:
    """OTHER for a text without a kind."""
    return text.kind if isinstance(text, FailureText) else FailureKind.OTHER
