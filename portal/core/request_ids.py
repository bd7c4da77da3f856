"""A new id for each HTTP request and socket, in every log line about it.

Around the whole application, since Django and the web server also log outside of middlewares.
"""

from __future__ import annotations

import secrets
from typing import Final

from portal.core.asgi_types import Application, Message, Receive, Scope, Send
from portal.core.log_ids import log_ids

HEADER: Final = b"x-request-id"


class RequestIds:
    """Also sends the id in `X-Request-ID`. It does not take the caller's own: anyone could repeat
    another caller's.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = secrets.token_hex(8)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (HEADER, request_id.encode())]
                message = {**message, "headers": headers}
            await send(message)

        with log_ids(request_id=request_id):
            await self.application(scope, receive, send_with_id)
