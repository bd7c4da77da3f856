"""The signal requests that arrived, for benchmarks and drills."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from dots_client import DecodeError, to_json
from dots_client.server import DOTS_CBOR, MitigatePath, parse_path
from dots_server.messages import Request, Response

MAX_REQUESTS: Final = 10_000
"""Older ones are dropped."""


class RequestLog:
    """The last requests, numbered from 1."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=MAX_REQUESTS)
        self.count = 0

    def add(self, request: Request, response: Response | None, client: str, at: float) -> None:
        self.count += 1
        cuid, mid = _addressed(request)
        self._entries.append(
            {
                "n": self.count,
                "at": at,
                "client": client,
                "method": request.method,
                "path": "/" + "/".join(request.path),
                "cuid": cuid,
                "mid": mid,
                "observe": request.observe,
                "body": _body(request),
                "answer": None if response is None else response.code,
            }
        )

    def after(self, number: int) -> list[dict[str, Any]]:
        return [entry for entry in self._entries if entry["n"] > number]


def _addressed(request: Request) -> tuple[str | None, int | None]:
    try:
        path = parse_path(request.path)
    except DecodeError:
        return None, None
    return (path.cuid, path.mid) if isinstance(path, MitigatePath) else (None, None)


def _body(request: Request) -> Any:
    if request.content_format != DOTS_CBOR:
        return None
    try:
        return to_json(request.payload)
    except DecodeError:
        return request.payload.hex()
