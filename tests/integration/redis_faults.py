"""Errors that Redis may answer: each fault starts and ends on a running server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, Final

import redis

from local_stack.ports import LOOPBACK
from tests.integration.stack import Stack, wait_for

NOBODY_LISTENS: Final = "1"
LOADING_VALUES: Final = 20
LOADING_VALUE_BYTES: Final = 1 << 20
LOADING_DELAY_US: Final = 200_000
"""Per value: loading takes 4 s, during which it answers -LOADING."""

Fault = Callable[[Stack], AbstractContextManager[None]]


def client(stack: Stack, *, password: str = "") -> redis.Redis:
    return redis.Redis(
        host=LOOPBACK,
        port=stack.redis_port,
        password=password or stack.secrets.redis_password,
        socket_timeout=5,
    )


@contextmanager
def replica(stack: Stack) -> Iterator[None]:
    """READONLY, and UNBLOCKED for clients in BRPOP: it became the replica of a missing server."""
    with client(stack) as server:
        server.execute_command("REPLICAOF", LOOPBACK, NOBODY_LISTENS)
        try:
            yield
        finally:
            server.execute_command("REPLICAOF", "NO", "ONE")


@contextmanager
def stale_replica(stack: Stack) -> Iterator[None]:
    """MASTERDOWN, even to a PING."""
    with client(stack) as server:
        server.config_set("replica-serve-stale-data", "no")
        server.execute_command("REPLICAOF", LOOPBACK, NOBODY_LISTENS)
        try:
            yield
        finally:
            server.execute_command("REPLICAOF", "NO", "ONE")
            server.config_set("replica-serve-stale-data", "yes")


@contextmanager
def too_few_replicas(stack: Stack) -> Iterator[None]:
    """NOREPLICAS."""
    with client(stack) as server:
        server.config_set("min-replicas-to-write", 1)
        try:
            yield
        finally:
            server.config_set("min-replicas-to-write", 0)


@contextmanager
def full_disk(stack: Stack) -> Iterator[None]:
    """MISCONF: it could not save, and is configured to refuse writes then."""
    blocked = stack.directory / "redis" / "dump.rdb"
    blocked.unlink(missing_ok=True)
    blocked.mkdir()
    with client(stack) as server:
        server.config_set("save", "3600 1")
        server.bgsave()
        wait_for(lambda: _last_save(server) == "err")
        try:
            yield
        finally:
            blocked.rmdir()
            server.bgsave()
            wait_for(lambda: _last_save(server) == "ok")
            server.config_set("save", "")


def _last_save(server: redis.Redis) -> str:
    known: dict[str, Any] = server.info("persistence")
    return str(known["rdb_last_bgsave_status"])


@contextmanager
def out_of_memory(stack: Stack) -> Iterator[None]:
    """OOM."""
    with client(stack) as server:
        server.config_set("maxmemory", 1)
        try:
            yield
        finally:
            server.config_set("maxmemory", "256mb")


@contextmanager
def other_password(stack: Stack) -> Iterator[None]:
    """WRONGPASS, for every client that connects."""
    with client(stack) as server:
        server.config_set("requirepass", "another")
        _drop_connections(server)
    try:
        yield
    finally:
        with client(stack, password="another") as server:
            server.config_set("requirepass", stack.secrets.redis_password)


@contextmanager
def no_permission(stack: Stack) -> Iterator[None]:
    """NOPERM for every write, and for PING."""
    with client(stack) as server:
        server.execute_command("ACL", "SETUSER", "default", "-@write", "-ping")
        try:
            yield
        finally:
            server.execute_command("ACL", "SETUSER", "default", "+@all")


@contextmanager
def wrong_type(stack: Stack) -> Iterator[None]:
    """WRONGTYPE: another program uses the names of our queues."""
    with client(stack) as server:
        for queue in ("signal", "default"):
            server.set(queue, "no list")
        try:
            yield
        finally:
            server.delete("signal", "default")


@contextmanager
def nonsense(stack: Stack) -> Iterator[None]:
    """Another program's messages in our queues."""
    with client(stack) as server:
        for queue in ("signal", "default"):
            server.lpush(queue, "no JSON", "{}")
        yield


@contextmanager
def loading(stack: Stack) -> Iterator[None]:
    """LOADING: it restarted and reads its saved data."""
    process = stack["redis"]
    usual = process.program
    with client(stack) as server:
        for number in range(LOADING_VALUES):
            server.set(f"ballast {number}", os.urandom(LOADING_VALUE_BYTES))
        server.save()
    process.kill()
    slow = f"key-load-delay {LOADING_DELAY_US}\n".encode()
    process.program = replace(usual, standard_input=usual.standard_input + slow)
    process.start()
    try:
        yield
    finally:
        process.program = usual
        wait_for(lambda: _has_loaded(stack))
        with client(stack) as server:
            server.flushall()
            server.config_set("key-load-delay", 0)


def _has_loaded(stack: Stack) -> bool:
    with client(stack) as server:
        return bool(server.ping())


@contextmanager
def dropped_connections(stack: Stack) -> Iterator[None]:
    with client(stack) as server:
        _drop_connections(server)
        yield


@contextmanager
def hung(stack: Stack) -> Iterator[None]:
    stack["redis"].freeze()
    try:
        yield
    finally:
        stack["redis"].thaw()


@contextmanager
def stopped(stack: Stack) -> Iterator[None]:
    stack["redis"].kill()
    try:
        yield
    finally:
        stack["redis"].start()
        stack["redis"].wait_until_ready()


def _drop_connections(server: redis.Redis) -> None:
    for kind in ("normal", "pubsub"):
        server.client_kill_filter(_type=kind)


FAULTS: Final[dict[str, Fault]] = {
    one.__name__: one
    for one in (
        replica,
        stale_replica,
        too_few_replicas,
        full_disk,
        out_of_memory,
        other_password,
        no_permission,
        wrong_type,
        nonsense,
        loading,
        dropped_connections,
        hung,
        stopped,
    )
}
