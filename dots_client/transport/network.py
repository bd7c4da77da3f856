"""Addresses, and the words for an unreachable one."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import Final, cast

from dots_client.errors import HandshakeFailed, PeerUnreachable, TransportError
from dots_client.transport.remote import SocketAddress, hostinfo

DISCARD: Final = 9
"""The discard port; any other would work."""


async def addresses_of(host: str, port: int) -> list[SocketAddress]:
    """The addresses of `host` in the order that the resolver prefers.

    PeerUnreachable if it has none.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (socket.gaierror, UnicodeError) as error:
        raise PeerUnreachable(f"{host} has no address: {error}") from error
    return [cast(SocketAddress, sockaddr[:2]) for *_, sockaddr in found]


def has_route(address: str) -> bool:
    """Whether this machine has a route to `address`. Sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((address, DISCARD))
    except OSError:
        return False
    return True


def unreachable(address: SocketAddress, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.ECONNREFUSED:
        return f"nothing listens at {hostinfo(address)}"
    reason = os.strerror(number) if number else str(error)
    return f"{hostinfo(address)} cannot be reached: {reason}"


def out_of_time(peer: str, timeout_s: float, *, has_heard_anything: bool) -> TransportError:
    if has_heard_anything:
        return HandshakeFailed(f"the handshake with {peer} did not finish within {timeout_s:g} s")
    return PeerUnreachable(f"nothing answered at {peer} within {timeout_s:g} s")
