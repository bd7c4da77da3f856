from __future__ import annotations

import errno
import socket

LOOPBACK = "127.0.0.1"
HIGHEST_PORT = 65535
TRIED_AT_MOST = 200

# A port looks free between the answer and the bind, and must not be given to a second caller.
_handed_out: set[int] = set()


def is_free(port: int) -> bool:
    """No process listens on the port, over TCP or UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                # As every server does; otherwise a port is refused for a minute after its last
                # connection.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError as error:
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    return False
                raise
    return True


def free_port() -> int:
    """A port that is free now; the caller should bind it soon."""
    for _ in range(TRIED_AT_MOST):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if _take(port):
            return port
    raise OSError(errno.EADDRINUSE, "no free port was found")


def free_port_from(wanted: int) -> int:
    """The wanted port, or the next free one above it."""
    for port in range(wanted, min(wanted + TRIED_AT_MOST, HIGHEST_PORT + 1)):
        if _take(port):
            return port
    return free_port()


def _take(port: int) -> bool:
    if port in _handed_out or not is_free(port):
        return False
    _handed_out.add(port)
    return True
