"""Shared by the integration tests and the benchmarks: the running portal, from outside."""

from __future__ import annotations

import html
import os
import re
import signal
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
from psycopg import sql

from local_stack.installation import one_time_code
from local_stack.processes import Process
from local_stack.servers import Postgres
from local_stack.stack import Stack
from tests.integration import dumps
from tests.on_postgresql import TABLES

__all__ = [
    "Api",
    "Databases",
    "NewStack",
    "Pages",
    "Stack",
    "control",
    "wait_for",
    "wait_until_ended",
]

EMPTY = "template1"
"""The database that PostgreSQL copies unless told otherwise."""
POLL_S, POLL_MAX_S = 0.1, 0.25
"""Most answers come from a portal on the same cores, so later polls are further apart."""
CALL_TIMEOUT_S = 60.0
"""A call that is slow on a busy machine is not a bug of the portal; `scripts/bench` measures it."""
SHOWN_OF_LOG = 16_000
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of http addresses: without it httpx reads every known authority for each call, which
costs more than the call.
"""
T = TypeVar("T")
NewStack = Callable[..., Stack]
"""Takes a name and the options of a Stack, which is not started yet."""


def wait_for(condition: Callable[[], T], *, within_s: float = CALL_TIMEOUT_S) -> T:
    """The first true answer; a timeout fails and shows the last one."""
    began = time.monotonic()
    while not (answer := condition()):
        waited_s = time.monotonic() - began
        assert waited_s < within_s, f"not within {within_s} s; last: {answer!r}"
        time.sleep(min(max(POLL_S, waited_s / 10), POLL_MAX_S))
    return answer


def wait_until_ended(processes: Sequence[Process], *, within_s: float = CALL_TIMEOUT_S) -> None:
    """A timeout ends those that still run, and shows what each of their threads did."""
    try:
        wait_for(lambda: not any(one.is_running for one in processes), within_s=within_s)
    except AssertionError:
        late = [one for one in processes if one.is_running]
        reports = [f"{one.program.name} still ran:\n{_aborted(one)}" for one in late]
        raise AssertionError(f"not within {within_s} s: " + "\n\n".join(reports)) from None


def _aborted(process: Process) -> str:
    """The end of its log, with the stack of each thread (tests.fork_server)."""
    os.kill(process.pid, signal.SIGABRT)
    process.wait_until_stopped()
    return process.log_path.read_text(encoding="utf-8", errors="replace")[-SHOWN_OF_LOG:]


class Databases:
    """New databases on the server of DATABASE_URL, or on a private one with `settings`."""

    def __init__(self, given_url: str, settings: Mapping[str, str] | None = None) -> None:
        self.own = None if given_url else Postgres(settings)
        "the private server, if there is one"
        if self.own is not None:
            self.own.start()
        self._given_url = given_url
        self._made: list[str] = []

    def make(self, name: str, *, template: str = EMPTY) -> str:
        """The URL of a new database, a copy of the one named `template`."""
        unique = f"{name}_{time.time_ns()}"
        names = map(sql.Identifier, (unique, template))
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
        self._made.append(unique)
        return self._url_of(unique)

    def make_with_tables(self, name: str) -> str:
        """The URL of a new database with the tables that were made for all tests, if they were;
        otherwise it is empty, as `migrate` expects too.
        """
        tables = os.environ.get(TABLES)
        if tables is None:
            return self.make(name)
        if self.own is None:
            return self.make(name, template=tables)
        made = self.make(name)
        with tempfile.NamedTemporaryFile() as file:
            dumps.dump(_of_server(os.environ["DATABASE_URL"], tables), Path(file.name))
            dumps.fill(made, Path(file.name))
        return made

    def close(self) -> None:
        if self.own is not None:
            self.own.remove()
            return
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            for name in self._made:
                connection.execute(
                    sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
                )

    @property
    def _server_url(self) -> str:
        return self._given_url or self._url_of("postgres")

    def _url_of(self, database: str) -> str:
        if self.own is not None:
            return self.own.url(database)
        return _of_server(self._given_url, database)


def _of_server(url: str, database: str) -> str:
    return str(httpx.URL(url).copy_with(path=f"/{database}"))


class Api:
    """A person's program: signed in with password and code, over HTTP."""

    def __init__(self, stack: Stack, username: str) -> None:
        self.stack = stack
        self.username = username
        self._client = httpx.Client(
            base_url=f"{stack.url}/api/v1/", timeout=CALL_TIMEOUT_S, verify=NO_TLS
        )
        code, _ = one_time_code(stack.secrets.totp_secrets[username])
        answer = self._client.post(
            "auth/token",
            json={
                "username": username,
                "password": stack.secrets.passwords[username],
                "otp": code,
                "device_name": "test",
            },
        )
        answer.raise_for_status()
        self.token: str = answer.json()["token"]
        self._client.headers["Authorization"] = f"Bearer {self.token}"

    def get(self, path: str, **parameters: Any) -> Any:
        return self._done(self._client.get(path, params=parameters))

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._done(self._client.post(path, json=body or {}, headers=headers))

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The response, whatever its status."""
        return self._client.request(method, path, **options)

    def close(self) -> None:
        self._client.close()

    def _done(self, answer: httpx.Response) -> Any:
        assert answer.is_success, f"{answer.status_code}: {answer.text[:500]}"
        return answer.json() if answer.content else None


class Pages:
    """A person's pages without a browser: signs in with the forms, reads pages as text."""

    def __init__(self, stack: Stack, username: str) -> None:
        self._client = httpx.Client(
            base_url=stack.url, timeout=CALL_TIMEOUT_S, verify=NO_TLS, follow_redirects=True
        )
        code, _ = one_time_code(stack.secrets.totp_secrets[username])
        self._send("/sign-in", username=username, password=stack.secrets.passwords[username])
        self._send("/sign-in/code", code=code)

    def text(self, path: str) -> str:
        """The text of a page, without its markup."""
        answer = self.get(path)
        assert answer.is_success, f"{answer.status_code}: {path}"
        bare = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", answer.text, flags=re.DOTALL)
        return " ".join(html.unescape(bare).split())

    def get(self, path: str) -> httpx.Response:
        """The response, whatever its status."""
        return self._client.get(path)

    @property
    def cookies(self) -> CookieJar:
        return self._client.cookies.jar

    def close(self) -> None:
        self._client.close()

    def _send(self, path: str, **fields: str) -> None:
        self._client.get(path)
        token = self._client.cookies["csrftoken"]
        answer = self._client.post(path, data={"csrfmiddlewaretoken": token, **fields})
        assert answer.is_success, f"{answer.status_code}: {path}"


def control(stack: Stack, provider: str, path: str, body: Any = None) -> Any:
    """Read or control a simulated provider: `control(stack, "northgate", "/behaviour", {"loss":
    0.5})`.
    """
    url = stack.simulator(provider).control_url + path
    answer = (
        httpx.get(url, timeout=CALL_TIMEOUT_S, verify=NO_TLS)
        if body is None
        else httpx.post(url, json=body, timeout=CALL_TIMEOUT_S, verify=NO_TLS)
    )
    answer.raise_for_status()
    return answer.json() if answer.content else None
