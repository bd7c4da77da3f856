"""Ids that every log line of a request, a session or an action carries, whichever code writes it.

They belong to the current context (PEP 567): tasks that are created later inherit them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TypedDict, Unpack
from uuid import UUID


class LogIds(TypedDict, total=False):
    """All ids there are."""

    request_id: str
    "of one HTTP request or socket; also in the header X-Request-ID of the response"
    organization: UUID
    subscription: UUID
    mid: int


_ids: ContextVar[Mapping[str, object]] = ContextVar("log_ids", default=MappingProxyType({}))


def add_log_ids(**ids: Unpack[LogIds]) -> None:
    """From now on, in this context."""
    _ids.set({**_ids.get(), **ids})


@contextmanager
def log_ids(**ids: Unpack[LogIds]) -> Iterator[None]:
    """The same within a `with`. Ids that are added inside end with it."""
    token = _ids.set({**_ids.get(), **ids})
    try:
        yield
    finally:
        _ids.reset(token)


class WithLogIds(logging.Filter):
    """Puts them on each record, in the thread and the context that log."""

    def filter(self, record: logging.LogRecord) -> bool:
        vars(record)["ids"] = _ids.get()
        return True
