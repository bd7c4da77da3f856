from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local_stack.ports import LOOPBACK, free_port, free_port_from, hand_over, is_free
from local_stack.programs import ROOT


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


def test_a_port_is_reserved_for_one_process_until_it_hands_it_over() -> None:
    def taken_by_another(port: int) -> int:
        code = f"from local_stack.ports import free_port_from; print(free_port_from({port}))"
        command = [sys.executable, "-c", code]
        return int(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)

    port = free_port()

    assert taken_by_another(port) != port
    assert taken_by_another(hand_over(port)) == port


def test_no_outgoing_connection_takes_a_free_port() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    assert free_port() < lowest
