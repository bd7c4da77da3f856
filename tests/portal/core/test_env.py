from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import kombu
import pytest
import redis
from django.core.exceptions import ImproperlyConfigured
from hypothesis import example, given
from hypothesis import strategies as st

from portal import env

ROOT = Path(__file__).parents[3]


def test_a_flag_accepts_only_known_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "Yes")
    assert env.flag("X")
    monkeypatch.setenv("X", "perhaps")

    with pytest.raises(ImproperlyConfigured, match="X is 'perhaps'"):
        env.flag("X")


def test_a_number_must_be_an_integer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.integer("X", 7) == 7
    monkeypatch.setenv("X", "7 s")

    with pytest.raises(ImproperlyConfigured, match="X is '7 s'"):
        env.integer("X", 7)


def test_a_number_that_is_too_small_stops_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "0")

    with pytest.raises(ImproperlyConfigured, match="X is '0': write 1 or more"):
        env.integer("X", 7, at_least=1)


def test_list_items_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", " a, b ,,")

    assert env.items("X") == ["a", "b"]


def test_a_secret_can_be_read_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n")
    monkeypatch.setenv("X_FILE", str(tmp_path / "secret"))

    assert env.secret("X") == "hush"


@pytest.mark.parametrize("suffix", ["", "_FILE"])
@pytest.mark.parametrize(("name", "former"), env.FORMER_NAMES.items())
def test_the_former_name_of_a_setting_is_still_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, former: str, suffix: str
) -> None:
    (tmp_path / "value").write_text("k1,k2\n")
    value = str(tmp_path / "value") if suffix else "k1,k2"
    monkeypatch.delenv(name, raising=False)
    assert env.former_names_in_use() == {}
    monkeypatch.setenv(f"{former}{suffix}", value)

    assert env.secret(name) == "k1,k2"
    assert env.former_names_in_use() == {former: name}


@pytest.mark.parametrize("suffix", ["", "_FILE"])
@pytest.mark.parametrize("former_suffix", ["", "_FILE"])
@pytest.mark.parametrize(("name", "former"), env.FORMER_NAMES.items())
def test_a_setting_with_both_of_its_names_stops_the_process(
    monkeypatch: pytest.MonkeyPatch, name: str, former: str, suffix: str, former_suffix: str
) -> None:
    monkeypatch.setenv(f"{name}{suffix}", "the same")
    monkeypatch.setenv(f"{former}{former_suffix}", "the same")

    with pytest.raises(ImproperlyConfigured, match=f"{name} and {former}.* keep {name}"):
        env.secret(name)
    with pytest.raises(ImproperlyConfigured, match=f"{name} and {former}"):
        env.text(name)


def test_an_empty_former_name_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_ENCRYPTION_KEYS", "k1")
    monkeypatch.setenv("PORTAL_SECRETS_KEYS", " ")

    assert env.secret("PORTAL_ENCRYPTION_KEYS") == "k1"
    assert env.former_names_in_use() == {}


def test_a_missing_secret_file_stops_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("X_FILE", str(tmp_path / "none"))

    with pytest.raises(ImproperlyConfigured, match="X_FILE"):
        env.secret("X")


def test_a_secret_given_twice_stops_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "one")
    monkeypatch.setenv("X_FILE", "/two")

    with pytest.raises(ImproperlyConfigured, match="keep one"):
        env.secret("X")


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("", None),
        ("9464", ("127.0.0.1", 9464)),
        (":9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:9464", ("0.0.0.0", 9464)),
        ("[::1]:9464", ("::1", 9464)),
    ],
)
def test_an_address_to_listen_on(value: str, address: tuple[str, int] | None) -> None:
    assert env.listen_address(value) == address


@pytest.mark.parametrize("value", ["on", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "h:70000", "²"])
def test_an_address_without_a_port_stops_the_process(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"PORTAL_METRICS_ADDRESS is .* host:port"):
        env.listen_address(value)


def test_the_default_database_is_a_file_shared_by_writers(tmp_path: Path) -> None:
    database = env.database("", default_path=tmp_path / "var" / "portal.sqlite3", prepares=True)

    assert database["NAME"] == tmp_path / "var" / "portal.sqlite3"
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert (tmp_path / "var").is_dir()


def test_a_database_file_can_be_named(tmp_path: Path) -> None:
    database = env.database(
        f"sqlite:///{tmp_path}/my%20portal.db", default_path=tmp_path / "x", prepares=True
    )

    assert database["NAME"] == tmp_path / "my portal.db"


def postgresql(url: str) -> dict[str, Any]:
    return env.database(url, default_path=Path(), prepares=True)


def test_postgresql_comes_with_a_pool() -> None:
    database = postgresql("postgresql://me:p%40ss@db.example:5433/portal?sslmode=require")

    assert database["ENGINE"] == "portal.core.postgresql"
    assert (database["USER"], database["PASSWORD"]) == ("me", "p@ss")
    assert (database["HOST"], database["PORT"], database["NAME"]) == (
        "db.example",
        "5433",
        "portal",
    )
    assert database["OPTIONS"]["sslmode"] == "require"
    assert database["OPTIONS"]["pool"] == {
        "min_size": 1,
        "max_size": 12,
        "timeout": 2,
        "reconnect_timeout": 2,
    }


def test_waiting_for_postgresql_has_a_limit() -> None:
    options = postgresql("postgresql://db.example/portal")["OPTIONS"]
    own = postgresql(
        "postgresql://db.example/portal?connect_timeout=9&options=-c%20lock_timeout%3D1s"
    )["OPTIONS"]

    assert options["tcp_user_timeout"] == "10000"
    assert (own["connect_timeout"], own["options"]) == ("9", "-c lock_timeout=1s")


def test_a_pooler_gets_no_unsupported_parameter() -> None:
    database = postgresql("postgresql://db.example/portal")

    assert "options" not in database["OPTIONS"]
    assert database["DISABLE_SERVER_SIDE_CURSORS"]


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("h1:5432,h2:5433", "h1,h2", "5432,5433"),
        ("h1,h2", "h1,h2", ","),
        ("h1:5432,h2", "h1,h2", "5432,"),
        ("[2001:db8::1]:5433", "2001:db8::1", "5433"),
        ("%2Frun%2Fpostgresql", "/run/postgresql", ""),
        ("", "", ""),
    ],
)
def test_postgresql_accepts_every_address_form_of_libpq(address: str, host: str, port: str) -> None:
    database = postgresql(f"postgresql://me:hush@{address}/portal?target_session_attrs=read-write")

    assert (database["HOST"], database["PORT"], database["NAME"]) == (host, port, "portal")
    assert (database["USER"], database["PASSWORD"]) == ("me", "hush")
    assert database["OPTIONS"]["target_session_attrs"] == "read-write"


def test_postgresql_can_be_behind_a_unix_socket() -> None:
    database = postgresql("postgresql:///portal?host=/run/postgresql&user=me&password=hush")

    assert (database["HOST"], database["USER"], database["PASSWORD"]) == (
        "/run/postgresql",
        "me",
        "hush",
    )
    assert {"host", "user", "password"}.isdisjoint(database["OPTIONS"])


typed = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1)


@given(password=typed)
@example("a#b@c/d%e:f?g&h=i+j k\u00e4")
def test_a_percent_encoded_password_is_decoded(password: str) -> None:
    quoted = quote(password, safe="")

    assert postgresql(f"postgresql://me:{quoted}@h/portal")["PASSWORD"] == password
    for received in redis_passwords(f"redis://:{quoted}@h:6379/0"):
        assert received == password


@given(password=typed.filter(lambda text: not re.search(r"\?|%[0-9A-Fa-f]{2}", text)))
@example("a#b@c/d%e:f&g=h+i j\u00e4")
def test_an_unencoded_password_is_used_unchanged(password: str) -> None:
    assert postgresql(f"postgresql://me:{password}@h/portal")["PASSWORD"] == password
    for received in redis_passwords(f"redis://:{password}@h:6379/0"):
        assert received == password


def redis_passwords(url: str) -> Iterator[Any]:
    """As the clients of the cache, the sockets and the broker parse it."""
    url = env.redis(url)
    yield redis.ConnectionPool.from_url(url).connection_kwargs["password"]
    yield kombu.Connection(env.broker(url)).password


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://me:hush@h:port/portal", "port that is not a number.*%3F"),
        ("postgresql://me:hush@h/", "names no database"),
        ("postgresql://me:hush@h", "names no database"),
        ("postgresql://me:hush@h/portal?sslmod=require", 'URI query parameter: "sslmod"'),
        ("postgresql://me:hush@[::1/portal", "matching"),
        ("postgresql://h:port/portal?user=me&password=hush", "port that is not a number"),
        ("postgresql://[::1/portal?user=me&password=hush", "matching"),
        ("postgresql://me@h/portal?password=hush%zz&sslmod=x", "sslmod"),
    ],
)
def test_an_unreadable_address_stops_the_process_without_printing_the_password(
    url: str, words: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^DATABASE_URL.*{words}") as caught:
        postgresql(url)

    assert "hush" not in str(caught.value)


def test_other_databases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="mysql"):
        env.database("mysql://localhost/portal", default_path=tmp_path, prepares=True)


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://127.0.0.1:6379/1", "redis://127.0.0.1:6379/1"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix:///run/redis.sock?db=2", "redis+socket:///run/redis.sock?virtual_host=2"),
    ],
)
def test_a_unix_socket_of_redis_is_spelled_as_celery_expects(url: str, broker: str) -> None:
    assert env.broker(url) == broker


def test_a_unix_socket_of_redis_can_have_a_password() -> None:
    for url in (
        "unix://me:hu%40sh@/run/redis.sock?db=1",
        "unix:///run/redis.sock?db=1&username=me&password=hu%40sh",
    ):
        assert (
            env.broker(env.redis(url)) == "redis+socket://me:hu%40sh@/run/redis.sock?virtual_host=1"
        )


@pytest.mark.parametrize("url", ["rediss://h:6379/0", "rediss://:hush@h?ssl_ca_certs=/etc/ca.pem"])
def test_redis_over_tls_is_verified_by_every_client(url: str) -> None:
    url = env.redis(url)

    ours = redis.ConnectionPool.from_url(url).connection_kwargs
    broker = kombu.Connection(env.broker(url)).ssl
    assert isinstance(broker, dict)
    assert (ours["ssl_cert_reqs"], broker["ssl_cert_reqs"]) == ("required", ssl.CERT_REQUIRED)
    assert broker.get("ssl_ca_certs") == ours.get("ssl_ca_certs")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://h", "starts with 'http'"),
        ("redis://h:port", "port"),
        ("redis://:p?ss@h:6379", "port.*%3F"),
        ("rediss://h?ssl_cert_reqs=nonsense", "ssl_cert_reqs"),
    ],
)
def test_an_unusable_redis_address_stops_the_process(url: str, words: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"PORTAL_REDIS_URL.*{words}"):
        env.redis(url)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.53", [("192.0.2.53", 53)]),
        ("192.0.2.53:5353, 2001:db8::53", [("192.0.2.53", 5353), ("2001:db8::53", 53)]),
        ("[2001:db8::53]:5353,[2001:db8::54]", [("2001:db8::53", 5353), ("2001:db8::54", 53)]),
    ],
)
def test_name_servers_are_addresses_with_a_port(
    text: str, found: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X", text)

    assert env.servers("X", port=53) == found


@pytest.mark.parametrize("text", ["dns.example", "192.0.2.53:x", "192.0.2.53:0", "[::1]:99999"])
def test_other_name_servers_stop_the_process(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", text)

    with pytest.raises(ImproperlyConfigured, match="X"):
        env.servers("X", port=53)


@pytest.mark.parametrize(
    "text", ["8-24", "24-8, 16-48", "0-8, 16-48", "8-33, 16-48", "8-24, 16-129", "a-b, 1-2", "8, 9"]
)
def test_lengths_of_prefixes_are_two_ranges(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", " 16-24,32 - 48 ")
    assert env.prefix_lengths("X", "8-24, 16-48") == {4: (16, 24), 6: (32, 48)}

    monkeypatch.setenv("X", text)
    with pytest.raises(ImproperlyConfigured, match="X"):
        env.prefix_lengths("X", "8-24, 16-48")


def test_every_variable_is_documented() -> None:
    pattern = r'env\.(?:flag|integer|text|secret|items|choice|servers|prefix_lengths)\(\s*"(\w+)"'
    read = {
        name
        for file in (ROOT / "portal").rglob("*.py")
        for name in re.findall(pattern, file.read_text())
    }
    documented = (ROOT / "docs" / "operations.md").read_text()

    assert {name for name in read if f"`{name}`" not in documented} == set()


def test_prepared_statements_can_be_turned_off_for_a_pooler_that_loses_them() -> None:
    url = "postgresql://db.example/portal"

    on, off = (
        env.database(url, default_path=Path(), prepares=prepares) for prepares in (True, False)
    )

    assert on["OPTIONS"]["server_side_binding"] is True
    assert on["OPTIONS"]["prepare_threshold"] == env.PREPARED_AFTER
    assert not {"server_side_binding", "prepare_threshold"} & off["OPTIONS"].keys()
