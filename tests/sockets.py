"""A WebSocket at the real application, without a server between."""

from __future__ import annotations

import json
from typing import Any

from asgiref.testing import ApplicationCommunicator

from portal.asgi import application
from portal.realtime.frames import HEARTBEAT

TIMEOUT_S = 5


class Socket:
    """What a page or a program sees of its event socket."""

    def __init__(
        self,
        slug: str = "acme",
        *,
        token: str = "",
        after: object = 0,
        host: str = "testserver",
        path: str = "",
        numbers: str = "",
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        own = (*headers, (b"host", host.encode()))
        if token:
            own += ((b"authorization", f"Bearer {token}".encode("latin-1")),)
        scope = {
            "type": "websocket",
            "path": path or f"/ws/organizations/{slug}/events",
            "query_string": f"after={after}{numbers and f'&numbers={numbers}'}".encode(),
            "headers": list(own),
            "subprotocols": [],
        }
        self._call = ApplicationCommunicator(application, scope)

    async def connect(self) -> int:
        """0 once it is open, else the code with which it was refused."""
        await self._call.send_input({"type": "websocket.connect"})
        answer: dict[str, Any] = await self._call.receive_output(TIMEOUT_S)
        return 0 if answer["type"] == "websocket.accept" else int(answer["code"])

    async def send_text(self, text: str) -> None:
        await self._call.send_input({"type": "websocket.receive", "text": text})

    async def receive_text(self) -> str:
        output: dict[str, Any] = await self._call.receive_output(TIMEOUT_S)
        assert output["type"] == "websocket.send", output
        return str(output["text"])

    async def is_silent(self, for_s: float = 0.02) -> bool:
        """Whether nothing comes in this time."""
        return bool(await self._call.receive_nothing(timeout=for_s))

    async def receive_frame(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await self.receive_text())
        return frame

    async def receive_event(self) -> dict[str, Any]:
        """The next event, skipping heartbeats."""
        while (frame := await self.receive_frame())["type"] == HEARTBEAT:
            continue
        return frame

    async def seqs(self, count: int) -> list[int]:
        return [(await self.receive_event())["seq"] for _ in range(count)]

    async def close_code(self) -> int:
        """The code with which the other side closed, whatever it said before."""
        while True:
            output: dict[str, Any] = await self._call.receive_output(TIMEOUT_S)
            if output["type"] == "websocket.close":
                return int(output["code"])

    async def disconnect(self) -> None:
        await self._call.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._call.wait(TIMEOUT_S)

    async def says_nothing_new(self) -> bool:
        """The next frame is a heartbeat: sent after the table was read and had nothing new."""
        return bool((await self.receive_frame())["type"] == HEARTBEAT)
