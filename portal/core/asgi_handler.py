"""Django behind ASGI: each request runs in one thread, from its first middleware to its last.

Django's own handler starts a thread for each request and changes between that thread and the event
loop up to six times: for both signals, around the synchronous middlewares, for the view, and to
close the response. Each change waits for the interpreter lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from functools import partial
from typing import IO, Any, Final

from asgiref.sync import sync_to_async
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.db import close_old_connections
from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from portal.core.asgi_types import Receive, Scope, Send
from portal.core.broadcast import broadcast_from_this_loop
from portal.core.concurrency_limit import MAX_CONCURRENT

_MISSING: Final = object()


class OneThreadHandler(ASGIHandler):
    """`portal.core.concurrency_limit` admits no more requests at once than there are threads.

    A request whose client leaves is carried out all the same. Only a download stops.
    """

    def __init__(self) -> None:
        BaseHandler.__init__(self)
        self.load_middleware(is_async=False)
        self._threads = ThreadPoolExecutor(MAX_CONCURRENT, thread_name_prefix="request")

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        broadcast_from_this_loop()
        context, loop = copy_context(), asyncio.get_running_loop()
        respond = partial(context.run, self._respond, scope, body)
        response = await loop.run_in_executor(self._threads, respond)
        _take_over(context)
        if not response.streaming:
            await self.send_response(response, send)
            return
        try:
            await _until_disconnected(self.send_response(response, send), receive)
        finally:
            await sync_to_async(response.close)()
            body.close()

    def _respond(self, scope: Scope, body: IO[bytes]) -> HttpResponseBase:
        """The response. Closed, with its content, unless it is a stream."""
        is_stream = False
        try:
            set_script_prefix(get_script_prefix(scope))
            signals.request_started.send(sender=self.__class__, scope=scope)
            request, refusal = self.create_request(scope, body)
            response = self.get_response(request) if request else refusal
            assert response is not None, "one of the two always exists"
            vars(response)["_handler_class"] = self.__class__  # the sender of `request_finished`
            if isinstance(response, FileResponse):
                response.block_size = self.chunk_size
            is_stream = response.streaming
            if not is_stream:
                # Sends `request_finished`: the thread gives its database connection back.
                response.close()
            return response
        finally:
            if is_stream:
                # Another thread sends `request_finished`, so this one gives its connection back.
                close_old_connections()
            else:
                body.close()


def _take_over(context: Context) -> None:
    """Set what the request's thread set, such as the ids of its log lines, in this task."""
    for variable, value in context.items():
        if variable.get(_MISSING) is not value:
            variable.set(value)


async def _until_disconnected(sending: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Stops `sending` when the client leaves. Raises what it raises."""
    send, leave = asyncio.create_task(sending), asyncio.ensure_future(receive())
    try:
        await asyncio.wait([send, leave], return_when=asyncio.FIRST_COMPLETED)
    finally:
        leave.cancel()
        if not send.done():
            send.cancel()
        await asyncio.gather(send, leave, return_exceptions=True)
    if not send.cancelled():
        send.result()
