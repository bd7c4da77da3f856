from __future__ import annotations

import socket

import pytest

from local_stack.ports import LOOPBACK, free_port, free_port_from, is_free


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_in_use_is_skipped_for_the_next(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind((LOOPBACK, free_port()))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]

        assert not is_free(port)
        assert free_port_from(port) != port


def test_a_port_is_reserved_for_one_caller() -> None:
    port = free_port_from(40_000)

    assert free_port_from(port) != port
