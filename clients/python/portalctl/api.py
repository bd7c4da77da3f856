"""The calls of the portal's API that the commands need (docs/openapi.yaml)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from portalctl.errors import RefusedError, UnreachableError
from portalctl.event_socket import EventSocket
from portalctl.pauses import pause_s
from portalctl.problems import error_of
from portalctl.web import Answer, call

TRIES: Final = 4
"""For a call that may be repeated, before the command gives up."""
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Portal:
    """A portal, with the token of one caller.

    Every call raises RefusedError or UnreachableError.
    """

    url: str
    token: str = ""
    sleep: Callable[[float], None] = time.sleep

    def sign_in(self, body: Mapping[str, str]) -> Json:
        """A new token. It is not repeated: a code counts only once."""
        return self._read(self._call("POST", "auth/token", body))

    def sign_out(self) -> None:
        """The token ends."""
        answer = self._repeated("DELETE", "auth/token")
        if not 200 <= answer.status < 300:
            raise error_of(answer)

    def me(self) -> Json:
        return self._read(self._repeated("GET", "me"))

    def requests(self, slug: str, statuses: Sequence[str], limit: int) -> list[Json]:
        """The newest first."""
        query = urlencode({"limit": limit, **({"status": ",".join(statuses)} if statuses else {})})
        found = self._read(self._repeated("GET", f"{_requests(slug)}?{query}"))
        results: list[Json] = found["results"]
        return results

    def request(self, slug: str, request_id: str) -> Json:
        return self._read(self._repeated("GET", f"{_requests(slug)}/{request_id}"))

    def look(self, slug: str, request_id: str) -> Answer:
        """The answer to one try to read a request, for a caller that has its own patience."""
        return self._call("GET", f"{_requests(slug)}/{request_id}")

    def submit(self, slug: str, body: Mapping[str, Any], key: str) -> Json:
        """Repeated with the same key, so that one request is made."""
        answer = self._repeated("POST", _requests(slug), body, {"Idempotency-Key": key})
        return self._read(answer, targets=body["targets"])

    def act(self, slug: str, request_id: str, name: str, body: Mapping[str, Any] | None) -> Json:
        """The request after an act that may be repeated: the portal does it once, or a second
        time changes nothing.
        """
        return self._read(self._repeated("POST", f"{_requests(slug)}/{request_id}/{name}", body))

    def note(self, slug: str, request_id: str, text: str, key: str) -> Json:
        """Repeated with the same key, so that one note is written."""
        path, headers = f"{_requests(slug)}/{request_id}/notes", {"Idempotency-Key": key}
        return self._read(self._repeated("POST", path, {"text": text}, headers))

    def step_up(self, code: str, device_token: str) -> None:
        """The token's second factor is fresh then. It is not repeated: a code counts only once."""
        body = {"otp": code, **({"device_token": device_token} if device_token else {})}
        self._read(self._call("POST", "auth/step-up", body))

    def event_socket(self, slug: str) -> EventSocket:
        return EventSocket.open(self.url, slug, self.token)

    def _read(self, answer: Answer, targets: Mapping[str, Sequence[str]] | None = None) -> Json:
        if not 200 <= answer.status < 300:
            raise error_of(answer, targets)
        return decoded(answer)

    def _repeated(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        return repeated(lambda: self._call(method, path, body, headers), sleep=self.sleep)

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = {"Accept": "application/json", **(headers or {})}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        return call(method, f"{self.url}/api/v1/{path}", body=content, headers=sent)


def repeated(act: Callable[[], Answer], *, sleep: Callable[[float], None]) -> Answer:
    """The first answer of a portal that is there, after at most `TRIES` calls.

    :raises UnreachableError: none came.
    """
    for tries in range(1, TRIES + 1):
        try:
            answer = act()
            error = error_of(answer) if answer.status >= 500 else None
            if not isinstance(error, UnreachableError):
                return answer
            last: UnreachableError = error
            wanted = answer.retry_after_s
        except UnreachableError as caught:
            last, wanted = caught, None
        if tries < TRIES:
            sleep(pause_s(tries, wanted))
    raise last


def decoded(answer: Answer) -> Json:
    """:raises RefusedError: the answer is no JSON object, so it is not from a portal."""
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise RefusedError("This address does not answer like a portal: its answer is not JSON.")
    return found


def _requests(slug: str) -> str:
    return f"organizations/{quote(slug, safe='')}/mitigation-requests"
