"""Headers of every HTTP response, also of those that Django did not write: the health check, and
refusals before a request reaches it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from csp.utils import build_policy
from django.conf import settings

from portal.core.asgi_types import Application, Message, Receive, Scope, Send

Header = tuple[bytes, bytes]

NO_GUESSING: Final = (b"x-content-type-options", b"nosniff")


class SafeResponses:
    """Adds what a response does not have yet. Around the whole application."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self._policy = build_policy().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                has = {name.lower() for name, _ in headers}
                missing = [one for one in self._headers(scope) if one[0] not in has]
                message = {**message, "headers": [*headers, *missing]}
            await send(message)

        await self.application(scope, receive, send_with_headers)

    def _headers(self, scope: Scope) -> Iterator[Header]:
        yield NO_GUESSING
        # It would break Django's pages for developers.
        if not settings.DEBUG:
            yield b"content-security-policy", self._policy
        yield b"referrer-policy", settings.SECURE_REFERRER_POLICY.encode()
        # Browsers ignore it without TLS.
        if settings.SECURE_HSTS_SECONDS and scope["scheme"] == "https":
            wide = "; includeSubDomains" if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else ""
            value = f"max-age={settings.SECURE_HSTS_SECONDS}{wide}"
            yield b"strict-transport-security", value.encode()
