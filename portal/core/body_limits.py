"""Rejects requests before Django reads them."""

from __future__ import annotations

from typing import Final

from portal.core.asgi_types import Application, Message, Receive, Scope, Send
from portal.core.numbers import whole_number
from portal.core.problem import Problem
from portal.core.sign_in_paths import is_sign_in

MAX_BODY_BYTES: Final = 256 * 1024
"""More than twice what any form or call needs.

Within it, fields that are too long get an error on the field.
"""
MAX_SIGN_IN_BODY_BYTES: Final = 64 * 1024
"""For the paths that need no sign-in (portal.core.sign_in_paths)."""

_UTF_8: Final = (b"utf-8", b"utf8")


_CLOSE: Final = (b"connection", b"close")
_NOT_UTF_8: Final = Problem(
    status=415,
    code="unsupported-media-type",
    title="Use UTF-8",
    detail="The Content-Type names an encoding other than UTF-8.",
)


def _too_large(limit: int) -> Problem:
    return Problem(
        status=413,
        code="body-too-large",
        title="Request too large",
        detail=f"The body is larger than {limit:,} bytes.",
    )


class Utf8Bodies:
    """Answers 415 to a Content-Type that names an encoding other than UTF-8.

    Django decodes forms, and even the header's own parameters (RFC 8187), with any Python codec
    that the header names. Some codecs raise errors that nothing catches; others produce characters
    that the database cannot store.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        types = [value for name, value in scope["headers"] if name == b"content-type"]
        if not all(map(_is_utf_8, types)):
            return await _NOT_UTF_8.send(send, _CLOSE)
        return await self.application(scope, receive, send)


def _is_utf_8(content_type: bytes) -> bool:
    for parameter in content_type.split(b";")[1:]:
        name, _, value = parameter.partition(b"=")
        name = name.strip().lower()
        if name.endswith(b"*"):
            return False
        if name == b"charset" and value.strip(b" \t\"'").lower() not in _UTF_8:
            return False
    return True


def max_body_bytes(path: str) -> int:
    return MAX_SIGN_IN_BODY_BYTES if is_sign_in(path) else MAX_BODY_BYTES


class BoundedBodies:
    """Answers 413 as soon as a body exceeds `max_body_bytes` of its path, whatever length it
    declares.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = max_body_bytes(scope["path"])
        if _declares_more(scope, limit):
            return await _too_large(limit).send(send, _CLOSE)
        body = _Body(receive, limit)
        has_answered = False

        async def answering(message: Message) -> None:
            nonlocal has_answered
            has_answered = True
            await send(message)

        await self.application(scope, body.receive, answering)
        if body.is_too_large and not has_answered:
            await _too_large(limit).send(send, _CLOSE)
        return None


class _Body:
    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._bytes = 0

    @property
    def is_too_large(self) -> bool:
        return self._bytes > self._limit

    async def receive(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.is_too_large else message


def _declares_more(scope: Scope, limit: int) -> bool:
    declared = dict(scope["headers"]).get(b"content-length", b"0").decode("latin-1")
    is_number = declared.isascii() and declared.isdigit()
    return is_number and whole_number(declared.lstrip("0") or "0", at_most=limit) is None
