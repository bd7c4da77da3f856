"""Reads the environment.

An invalid value stops the process, with the variable's name in the message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict
from redis.backoff import NoBackoff
from redis.exceptions import ReadOnlyError, WatchError
from redis.retry import Retry

_POSTGRESQL = {
    # Notice within seconds that a server is cut off; the system's defaults take hours.
    "connect_timeout": "3",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""The URL overrides these.

No `options`, because poolers such as PgBouncer refuse them (portal.core.postgresql).
"""


class _OnceMoreElsewhere(Retry):
    def call_with_retry(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().call_with_retry(*args, **kwargs)
        except WatchError as error:
            # A transaction that is refused: redis-py would begin it again without end.
            refusal = error.__context__
            raise refusal if isinstance(refusal, ReadOnlyError) else error from None


ONCE_MORE_ELSEWHERE = _OnceMoreElsewhere(NoBackoff(), 1, supported_errors=(ReadOnlyError,))
"""Close a connection to the old Redis master and resolve the name again. A transaction fails once
instead; the next one is made elsewhere.
"""

PREPARED_AFTER = 3
"""Executions of the same statement on one connection."""

POOL_SIZE = 12
"""Database connections of one process. A signal worker has nine threads that use one, and those of
its tasks.
"""

_QUOTING = (
    "Does the password hold a character that means something in a URL? "
    "Write / as %2F, ? as %3F, @ as %40, # as %23, % as %25."
)

FORMER_NAMES = {"PORTAL_ENCRYPTION_KEYS": "PORTAL_SECRETS_KEYS"}
"""Settings that have been renamed.

The former name is still read; portal.checks asks for the new one.
"""

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


def text(name: str, default: str = "") -> str:
    return os.environ.get(_name_in_use(name), default).strip()


def flag(name: str, *, default: bool = False) -> bool:
    value = text(name, "1" if default else "0").lower()
    if value not in _TRUE | _FALSE:
        raise ImproperlyConfigured(f"{name} is {value!r}: write 1 or 0.")
    return value in _TRUE


def integer(name: str, default: int, *, at_least: int = 0) -> int:
    value = text(name, str(default))
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {value!r}: write a whole number.") from None
    if number < at_least:
        raise ImproperlyConfigured(f"{name} is {value!r}: write {at_least} or more.")
    return number


def prefix_lengths(name: str, default: str) -> dict[int, tuple[int, int]]:
    """A range for IPv4 and one for IPv6, both ends included: `8-24, 16-48`. By IP version."""
    value = text(name, default)
    ranges = re.fullmatch(r"(\d{1,3}) ?- ?(\d{1,3}), ?(\d{1,3}) ?- ?(\d{1,3})", value, re.ASCII)
    if ranges is None:
        raise ImproperlyConfigured(f"{name} is {value!r}: write two ranges, such as {default}.")
    first_v4, last_v4, first_v6, last_v6 = map(int, ranges.groups())
    if not (1 <= first_v4 <= last_v4 <= 32 and 1 <= first_v6 <= last_v6 <= 128):
        raise ImproperlyConfigured(f"{name} is {value!r}: lengths are 1 to 32 and 1 to 128.")
    return {4: (first_v4, last_v4), 6: (first_v6, last_v6)}


def servers(name: str, *, port: int) -> list[tuple[str, int]]:
    """Addresses with an optional port: `192.0.2.53, 127.0.0.1:5353, [2001:db8::53]:5353`."""
    found = []
    for item in items(name):
        host, own_port = item, str(port)
        if item.startswith("[") and "]" in item:
            host, _, rest = item[1:].partition("]")
            own_port = rest.removeprefix(":") or own_port
        elif item.count(":") == 1:
            host, _, own_port = item.partition(":")
        try:
            address = str(ip_address(host))
        except ValueError:
            raise ImproperlyConfigured(f"{name} has {item!r}: write IP addresses.") from None
        if not (own_port.isascii() and own_port.isdigit() and 0 < int(own_port) < 65536):
            raise ImproperlyConfigured(f"{name} has {item!r}: its port is not a port number.")
        found.append((address, int(own_port)))
    return found


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """Prefixes: `10.0.0.0/8, fd00::/8`."""
    found = []
    for item in items(name):
        try:
            found.append(ip_network(item))
        except ValueError:
            raise ImproperlyConfigured(f"{name} has {item!r}: write prefixes.") from None
    return found


def items(name: str, default: str = "") -> list[str]:
    return [item.strip() for item in text(name, default).split(",") if item.strip()]


def choice(name: str, choices: Sequence[str]) -> str:
    """One of `choices`; the first if the variable is not set."""
    value = text(name, choices[0]).lower()
    if value not in choices:
        raise ImproperlyConfigured(f"{name} is {value!r}: write {' or '.join(choices)}.")
    return value


def secret(name: str) -> str:
    """The value of NAME, or the content of the file that NAME_FILE points to."""
    name = _name_in_use(name)
    path = text(f"{name}_FILE")
    if not path:
        return text(name)
    if text(name):
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: keep one.")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error}") from error


def listen_address(value: str) -> tuple[str, int] | None:
    """`host:port`, `[address]:port`, or only the port: then on 127.0.0.1. None if empty."""
    if not value:
        return None
    host, _, port = value.rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ImproperlyConfigured(
            f"PORTAL_METRICS_ADDRESS is {value!r}: write host:port, for example 127.0.0.1:9464."
        )
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def former_names_in_use() -> dict[str, str]:
    """The former names that the environment still uses, each with the current name."""
    return {former: name for name, former in FORMER_NAMES.items() if _is_given(former)}


def _name_in_use(name: str) -> str:
    former = FORMER_NAMES.get(name)
    if former is None or not _is_given(former):
        return name
    if _is_given(name):
        raise ImproperlyConfigured(
            f"{name} and {former}, its former name, are both set: keep {name}."
        )
    return former


def _is_given(name: str) -> bool:
    return any(os.environ.get(given, "").strip() for given in (name, f"{name}_FILE"))


def database(url: str, *, default_path: Path, prepares: bool) -> dict[str, Any]:
    """Django's database settings for a `postgresql://` or `sqlite:///` URL; SQLite without one.

    `prepares`: have PostgreSQL parse and plan a repeated statement once for each connection.

    For PostgreSQL it accepts any URL of libpq: several hosts, sockets, `target_session_attrs`,
    `sslmode`.
    """
    if not url:
        return _sqlite(default_path)
    scheme = url.partition("://")[0]
    if scheme == "sqlite":
        # As in other tools: three slashes for a relative path, four for an absolute one.
        return _sqlite(Path(unquote(urlsplit(url).path[1:])))
    if scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(
            f"DATABASE_URL starts with {scheme!r}: use postgresql or sqlite."
        )
    return _postgresql(url, prepares=prepares)


def _postgresql(url: str, *, prepares: bool) -> dict[str, Any]:
    try:
        given = conninfo_to_dict(_with_quoted_password(url))
    except psycopg.ProgrammingError as error:
        raise ImproperlyConfigured(
            f"DATABASE_URL cannot be read: {_without_password(error)}. {_QUOTING}"
        ) from None
    if not given.get("dbname") and not given.get("service"):
        raise ImproperlyConfigured(
            "DATABASE_URL names no database: postgresql://user:password@host/database."
        )
    options: dict[str, Any] = {**_POSTGRESQL, **given}
    named = {
        setting: str(options.pop(parameter, "") or "")
        for setting, parameter in (
            ("NAME", "dbname"),
            ("USER", "user"),
            ("PASSWORD", "password"),
            ("HOST", "host"),
            ("PORT", "port"),
        )
    }
    for port in named["PORT"].split(","):
        if port and not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise ImproperlyConfigured(f"DATABASE_URL has a port that is not a number. {_QUOTING}")
    if prepares:
        options |= {"server_side_binding": True, "prepare_threshold": PREPARED_AFTER}
    # Measured: after a restart of the server this pool works again immediately.
    options["pool"] = {"min_size": 1, "max_size": POOL_SIZE, "timeout": 2, "reconnect_timeout": 2}
    return {
        "ENGINE": "portal.core.postgresql",
        **named,
        "CONN_MAX_AGE": 0,
        # A server-side cursor needs the server connection after its transaction, when a pooler has
        # given it to another client.
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": options,
    }


def _with_quoted_password(url: str) -> str:
    """The URL with user and password quoted, since people paste passwords unquoted:
    `u:p@ss#w/rd%@host`.

    User and password are everything before the last @. A percent sign that does not begin an escape
    stays as it is.
    """
    scheme, _, rest = url.partition("://")
    address, question, query = rest.partition("?")
    credentials, at, location = address.rpartition("@")
    if not at:
        return url
    user, colon, password = credentials.partition(":")
    return (
        f"{scheme}://{_quoted(user)}{colon}{_quoted(password)}@{location}"
        f"{question}{_quoted(query, safe='%&=/:,@+')}"
    )


def _quoted(text: str, *, safe: str = "%") -> str:
    return quote(re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text), safe=safe)


def _without_password(error: Exception) -> str:
    words = re.sub(r'//[^@"]*@', "//…@", str(error).strip())
    return re.sub(r'password=[^&"]*', "password=…", words)


def _sqlite(path: Path) -> dict[str, Any]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "timeout": 5,
            # The write transaction is the lock: read inside it everything that a decision depends
            # on.
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
        },
    }


def redis(url: str) -> str:
    """The URL of Redis in the form that all our clients accept: `redis://`, `rediss://` (TLS) or
    `unix://`.

    TLS always verifies the server's certificate, whatever a library's default is. Only
    `ssl_cert_reqs=none` in the URL disables that; `ssl_ca_certs=FILE` sets a private CA.
    """
    if not url:
        return ""
    url = _with_quoted_password(url)
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ImproperlyConfigured(
            f"PORTAL_REDIS_URL has a port that is not a number. {_QUOTING}"
        ) from None
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise ImproperlyConfigured(
            f"PORTAL_REDIS_URL starts with {parts.scheme!r}: use redis, rediss (TLS) or unix."
        )
    if parts.scheme != "rediss":
        return url
    query = {"ssl_cert_reqs": "required", **dict(parse_qsl(parts.query))}
    if query["ssl_cert_reqs"] not in {"none", "optional", "required"}:
        raise ImproperlyConfigured("PORTAL_REDIS_URL: ssl_cert_reqs is required, optional or none.")
    return parts._replace(query=urlencode(query)).geturl()


def broker(redis_url: str) -> str:
    """Celery's form of the URL for a Unix socket."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    query = dict(parse_qsl(parts.query))
    credentials, at, _ = parts.netloc.rpartition("@")
    if "password" in query:
        credentials, at = f"{query.get('username', '')}:{_quoted(query['password'])}", "@"
    return f"redis+socket://{credentials}{at}{parts.path}?virtual_host={query.get('db', '0')}"


@dataclass(frozen=True, slots=True)
class Mail:
    """How the portal sends mail; with neither a folder nor a host, it cannot."""

    folder: str | None = None
    "keeps each mail as a file instead of sending it"
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    starts_tls: bool = False
    is_tls: bool = False


def mail(url: str) -> Mail:
    """Reads `smtp://user:password@host:587` (STARTTLS), `smtps://…:465` (TLS),
    `smtp://host:25?tls=no` or `file:///folder`. Empty: the portal sends no mail.
    """
    if not url:
        return Mail()
    try:
        parts = urlsplit(_with_quoted_password(url))
        port = parts.port
    except ValueError:
        raise ImproperlyConfigured("PORTAL_MAIL_URL has a port that is not a number.") from None
    if parts.scheme == "file" and parts.path:
        return Mail(folder=unquote(parts.path))
    tls = dict(parse_qsl(parts.query)).get("tls", "yes")
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or tls not in {"yes", "no"}:
        raise ImproperlyConfigured(
            "PORTAL_MAIL_URL must look like smtp://user:password@host:587, smtps://host:465, "
            "smtp://host:25?tls=no or file:///folder."
        )
    is_tls = parts.scheme == "smtps"
    return Mail(
        host=parts.hostname,
        port=port or (465 if is_tls else 587),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        starts_tls=not is_tls and tls == "yes",
        is_tls=is_tls,
    )
