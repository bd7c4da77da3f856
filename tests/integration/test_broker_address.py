"""Redis behind TLS, behind a host name that moves to another server, and behind an unknown name."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.core.cache.backends.redis import RedisCache
from kombu import Connection
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from dots_client import Credentials
from local_stack.ports import LOOPBACK, free_port
from local_stack.processes import Process
from local_stack.servers import redis_program
from portal import env
from tests.dots_client.authority import Authority
from tests.integration.network import TcpProxy, proxied
from tests.integration.stack import Api, NewStack, Stack, control, wait_for
from tests.integration.test_main_job import REQUESTS, believed, socket, submit, until

ApiAs = Callable[[str], Api]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def trusted(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    path.write_bytes(authority.pem)
    return path


@pytest.fixture(scope="module")
def unstarted(new_stack: NewStack) -> Stack:
    return new_stack("address")


@pytest.fixture(scope="module")
def front(
    unstarted: Stack, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TcpProxy]:
    """The address that the portal uses for Redis."""
    tls = tls_server(authority.server(), tmp_path_factory.mktemp("front"))
    with proxied(unstarted.redis_port, tls=tls) as front:
        yield front


@pytest.fixture(scope="module")
def stack(unstarted: Stack, front: TcpProxy, trusted: Path) -> Iterator[Stack]:
    unstarted.environment["PORTAL_REDIS_URL"] = address(unstarted, front, f"ssl_ca_certs={trusted}")
    with unstarted as stack:
        yield stack


def tls_server(credentials: Credentials, directory: Path) -> ssl.SSLContext:
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    certificate.write_bytes(credentials.certificate_chain)
    key.write_bytes(credentials.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def address(stack: Stack, front: TcpProxy, query: str = "") -> str:
    return f"rediss://:{stack.secrets.redis_password}@{LOOPBACK}:{front.port}/0?{query}"


# Each Redis client of the portal, created from the URL as in the settings.


def ask_broker(url: str) -> None:
    with Connection(env.broker(url), transport="portal.core.broker:RedisTransport") as connection:
        connection.connect()


def ask_layer(url: str) -> None:
    async def send() -> None:
        layer = RedisPubSubChannelLayer(hosts=[{"address": url}])
        try:
            await layer.group_send("group", {"type": "x"})
        finally:
            await layer.flush()

    asyncio.run(send())


def ask_cache(url: str) -> None:
    RedisCache(url, {}).set("key", "value")


clients = pytest.mark.parametrize("ask", [ask_broker, ask_layer, ask_cache])


@clients
def test_a_certificate_of_the_configured_authority_is_accepted(
    stack: Stack, front: TcpProxy, trusted: Path, ask: Callable[[str], None]
) -> None:
    ask(env.redis(address(stack, front, f"ssl_ca_certs={trusted}")))


@clients
@pytest.mark.parametrize(
    "untrusted", ["no authority named", "another authority", "another name in the certificate"]
)
def test_a_certificate_that_is_not_trusted_is_refused(
    stack: Stack,
    front: TcpProxy,
    authority: Authority,
    trusted: Path,
    tmp_path: Path,
    ask: Callable[[str], None],
    untrusted: str,
) -> None:
    match untrusted:
        case "no authority named":
            url = address(stack, front)
        case "another authority":
            (tmp_path / "other.pem").write_bytes(Authority("Other").pem)
            url = address(stack, front, f"ssl_ca_certs={tmp_path}/other.pem")
        case _:
            tls = tls_server(authority.server(names=("other.example",)), tmp_path)
            with proxied(stack.redis_port, tls=tls) as other:
                url = address(stack, other, f"ssl_ca_certs={trusted}")
                assert_not_verified(ask, url)
            return
    assert_not_verified(ask, url)


def assert_not_verified(ask: Callable[[str], None], url: str) -> None:
    with pytest.raises(Exception, match="certificate verify failed"):
        ask(env.redis(url))


def test_a_request_is_sent_and_followed_over_tls(stack: Stack, api_as: ApiAs) -> None:
    alice, prefix = api_as("alice"), "203.0.113.30/32"
    with socket(stack, alice.token, last_seq(alice)) as events:
        request = submit(alice, prefix)
        until(events, "mitigation.status", status="in_progress")
    assert believed(stack, "northgate", prefix)
    alice.post(f"{REQUESTS}/{request['id']}/terminate")


def last_seq(api: Api) -> int:
    seen = api.get("organizations/acme/events", after=0, limit=1000)["results"]
    return int(seen[-1]["seq"]) if seen else 0


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("untrusted", "certificate verify failed"),
        ("redis://nobody.invalid:6379/0", "nobody.invalid"),
    ],
)
def test_a_worker_without_access_to_redis_logs_why_and_keeps_working(
    stack: Stack, front: TcpProxy, api_as: ApiAs, url: str, words: str
) -> None:
    alice, worker, prefix = api_as("alice"), stack["signal-1"], "203.0.113.31/32"
    usual, already = worker.program, log_of(worker)
    url = address(stack, front) if url == "untrusted" else url
    worker.stop()
    worker.program = replace(usual, environment={**usual.environment, "PORTAL_REDIS_URL": url})
    worker.start()
    try:
        request = submit(alice, prefix)
        wait_for(lambda: believed(stack, "northgate", prefix))
        alice.post(f"{REQUESTS}/{request['id']}/terminate")
        wait_for(lambda: words in log_of(worker).removeprefix(already))
        assert stack.secrets.redis_password not in log_of(worker)
        assert "Traceback" not in log_of(worker).removeprefix(already)
    finally:
        worker.program = usual
        worker.restart()


def log_of(process: Process) -> str:
    return process.log_path.read_text()


def test_every_client_follows_a_host_name_that_moves_to_another_server(
    stack: Stack, front: TcpProxy, api_as: ApiAs, tmp_path: Path
) -> None:
    """The old master is now a replica, and the connections to it are still open."""
    alice = api_as("alice")
    password, port = stack.secrets.redis_password, free_port()
    process = Process(
        redis_program(port=port, password=password, directory=tmp_path), tmp_path / "log"
    )
    process.start()
    process.wait_until_ready()
    old = redis.Redis(host=LOOPBACK, port=stack.redis_port, password=password)
    new = redis.Redis(host=LOOPBACK, port=port, password=password)
    try:
        before = submit(alice, "203.0.113.33/32")
        with socket(stack, alice.token, last_seq(alice)) as events:
            old.config_set("masterauth", password)
            front.lead_to(port)
            old.slaveof(LOOPBACK, port)

            wait_for(lambda: takes_tasks(new))
            request = submit(alice, "203.0.113.32/32")
            until(events, "mitigation.status", status="in_progress")
            wait_for(lambda: new.keys("*throttle*"))
            for one in (before, request):
                alice.post(f"{REQUESTS}/{one['id']}/terminate")
            until(events, "request.status", status="terminated")
        assert stack.first_failure() is None
        assert len(control(stack, "northgate", "/state")["sessions"]) == 2
    finally:
        front.lead_to(stack.redis_port)
        old.slaveof()
        process.kill()


def takes_tasks(server: redis.Redis) -> bool:
    """Whether the signal worker answers Celery through this server."""
    kwargs: dict[str, Any] = server.connection_pool.connection_kwargs
    url = f"redis://:{kwargs['password']}@{LOOPBACK}:{kwargs['port']}/0"
    with Celery(broker=url) as app, suppress(OperationalError, RedisError):
        answers = app.control.ping(timeout=1) or []
        return any(name.startswith("signal-1@") for answer in answers for name in answer)
    return False
