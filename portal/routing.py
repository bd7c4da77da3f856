"""Which socket is where."""

from __future__ import annotations

from typing import Any

from channels.routing import URLRouter
from django.urls import path, re_path

from portal.realtime.consumers import EventSocket, NoSuchSocket

# The stubs of path() accept only views, not ASGI applications.
_routes: list[Any] = [
    path("ws/organizations/<slug:slug>/events", EventSocket.as_asgi()),  # type: ignore[arg-type]  # see above
    re_path("", NoSuchSocket.as_asgi()),  # type: ignore[arg-type]  # see above
]

websocket = URLRouter(_routes)
