"""Addresses, and the words for an unreachable one."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import Final, cast

from dots_client.errors import HandshakeFailed, PeerUnreachable, TransportError
from dots_client.failures import FailureKind, FailureText
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
        text = f"{host} has no address: {error}"
        raise PeerUnreachable(FailureText(text, FailureKind.NO_ADDRESS)) from error
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
        text = f"nothing listens at {hostinfo(address)}"
        return FailureText(text, FailureKind.NOTHING_LISTENS)
    reason = os.strerror(number) if number else str(error)
    text = f"{hostinfo(address)} cannot be reached: {reason}"
    return FailureText(text, FailureKind.UNREACHABLE)


def out_of_time(peer: str, timeout_s: float, *, has_heard_anything: bool) -> TransportError:
    if has_heard_anything:
        text = f"the handshake with {peer} did not finish within {timeout_s:g} s"
        return HandshakeFailed(FailureText(text, FailureKind.UNFINISHED))
    text = f"nothing answered at {peer} within {timeout_s:g} s"
    return PeerUnreachable(FailureText(text, FailureKind.SILENT))
