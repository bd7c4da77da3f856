"""What a caller's event socket sends at first."""

from __future__ import annotations

from asgiref.sync import async_to_sync
from django.conf import settings

from tests.random_walk.cast import Caller
from tests.sockets import Socket

MOST_FRAMES = 200


def frames_of(caller: Caller, slug: str) -> tuple[int, list[str]]:
    """0, or the code with which the socket was refused, and the frames up to a pause."""
    return async_to_sync(_frames_of)(caller, slug)


async def _frames_of(caller: Caller, slug: str) -> tuple[int, list[str]]:
    headers: tuple[tuple[bytes, bytes], ...] = ()
    cookie = caller.client.cookies.get(settings.SESSION_COOKIE_NAME)
    if cookie is not None:
        name = settings.SESSION_COOKIE_NAME
        headers = (
            (b"cookie", f"{name}={cookie.value}".encode()),
            (b"origin", b"http://testserver"),
        )
    socket = Socket(slug, token=caller.token, headers=headers)
    code = await socket.connect()
    frames: list[str] = []
    if code:
        return code, frames
    while len(frames) < MOST_FRAMES and not await socket.is_silent():
        frames.append(await socket.receive_text())
    await socket.disconnect()
    return 0, frames
