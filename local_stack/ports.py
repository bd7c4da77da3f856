from __future__ import annotations

import atexit
import errno
import random
import socket

LOOPBACK = "127.0.0.1"
HIGHEST_PORT = 65535
NOT_EPHEMERAL = range(20_000, 32_768)
"""The kernel gives none of these to an outgoing connection (ip_local_port_range)."""
TRIED_AT_MOST = 200

# A port looks free between the answer and the bind, and must not be given to a second caller. Other
# processes see the name of the socket, which goes with this process.
_reservations: dict[int, socket.socket] = {}


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
    """A port that is free now and that no other process of the portal gets from here."""
    for port in random.sample(NOT_EPHEMERAL, TRIED_AT_MOST):
        if _take(port):
            return port
    raise OSError(errno.EADDRINUSE, "no free port was found")


def free_port_from(wanted: int) -> int:
    """The wanted port, or the next free one above it."""
    for port in range(wanted, min(wanted + TRIED_AT_MOST, HIGHEST_PORT + 1)):
        if _take(port):
            return port
    return free_port()


def hand_over(port: int) -> int:
    """End the reservation of this process: another process takes the port from here."""
    _reservations.pop(port).close()
    return port


@atexit.register
def _give_up_all() -> None:
    for port in list(_reservations):
        hand_over(port)


def _take(port: int) -> bool:
    if port in _reservations or not is_free(port):
        return False
    reservation = socket.socket(socket.AF_UNIX)
    try:
        # The zero byte: Linux keeps the name without a file.
        reservation.bind(f"\0portal-port-{port}")
    except OSError as error:
        reservation.close()
        if error.errno == errno.EADDRINUSE:
            return False
        raise
    _reservations[port] = reservation
    return True
