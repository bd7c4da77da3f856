from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal import env

ROOT = Path(__file__).parents[3]


def test_a_flag_is_one_of_few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "Yes")
    assert env.flag("X")
    monkeypatch.setenv("X", "perhaps")

    with pytest.raises(ImproperlyConfigured, match="X is 'perhaps'"):
        env.flag("X")


def test_a_number_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.integer("X", 7) == 7
    monkeypatch.setenv("X", "7 s")

    with pytest.raises(ImproperlyConfigured, match="X is '7 s'"):
        env.integer("X", 7)


def test_a_number_that_is_too_small_stops_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "0")

    with pytest.raises(ImproperlyConfigured, match="X is '0': write 1 or more"):
        env.integer("X", 7, at_least=1)


def test_items_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", " a, b ,,")

    assert env.items("X") == ["a", "b"]


def test_a_secret_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n")
    monkeypatch.setenv("X_FILE", str(tmp_path / "secret"))

    assert env.secret("X") == "hush"


def test_a_secret_file_that_is_not_there_stops_everything(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("X_FILE", str(tmp_path / "none"))

    with pytest.raises(ImproperlyConfigured, match="X_FILE"):
        env.secret("X")


def test_a_secret_given_twice_stops_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "one")
    monkeypatch.setenv("X_FILE", "/two")

    with pytest.raises(ImproperlyConfigured, match="keep one"):
        env.secret("X")


def test_without_a_url_the_database_is_a_file_that_writers_share(tmp_path: Path) -> None:
    database = env.database("", default_path=tmp_path / "var" / "portal.sqlite3")

    assert database["NAME"] == tmp_path / "var" / "portal.sqlite3"
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert (tmp_path / "var").is_dir()


def test_a_database_file_can_be_named(tmp_path: Path) -> None:
    database = env.database(f"sqlite:///{tmp_path}/my%20portal.db", default_path=tmp_path / "x")

    assert database["NAME"] == tmp_path / "my portal.db"


def test_postgresql_comes_with_a_pool(tmp_path: Path) -> None:
    database = env.database(
        "postgresql://me:p%40ss@db.example:5433/portal?sslmode=require", default_path=tmp_path
    )

    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["USER"], database["PASSWORD"]) == ("me", "p@ss")
    assert (database["HOST"], database["PORT"], database["NAME"]) == (
        "db.example",
        "5433",
        "portal",
    )
    assert database["OPTIONS"]["sslmode"] == "require"
    assert database["OPTIONS"]["pool"] == {
        "min_size": 1,
        "max_size": 8,
        "timeout": 2,
        "reconnect_timeout": 2,
    }


def test_postgresql_may_not_be_waited_for_without_end(tmp_path: Path) -> None:
    options = env.database("postgresql://db.example/portal", default_path=tmp_path)["OPTIONS"]
    own = env.database(
        "postgresql://db.example/portal?connect_timeout=9&options=-c%20lock_timeout%3D1s",
        default_path=tmp_path,
    )["OPTIONS"]

    assert "idle_in_transaction_session_timeout" in options["options"]
    assert options["tcp_user_timeout"] == "10000"
    assert (own["connect_timeout"], own["options"]) == ("9", "-c lock_timeout=1s")


def test_postgresql_may_be_behind_a_unix_socket(tmp_path: Path) -> None:
    database = env.database("postgresql:///portal?host=/run/postgresql", default_path=tmp_path)

    assert database["HOST"] == "/run/postgresql"
    assert "host" not in database["OPTIONS"]


def test_other_databases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="mysql"):
        env.database("mysql://localhost/portal", default_path=tmp_path)


@pytest.mark.parametrize(
    ("redis", "broker"),
    [
        ("redis://127.0.0.1:6379/1", "redis://127.0.0.1:6379/1"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix:///run/redis.sock?db=2", "redis+socket:///run/redis.sock?virtual_host=2"),
    ],
)
def test_a_unix_socket_of_redis_is_spelled_for_celery(redis: str, broker: str) -> None:
    assert env.broker(redis) == broker


def test_every_variable_is_documented() -> None:
    pattern = r'env\.(?:flag|integer|text|secret|items)\(\s*"(\w+)"'
    read = {
        name
        for file in (ROOT / "portal").rglob("*.py")
        for name in re.findall(pattern, file.read_text())
    }
    documented = (ROOT / "docs" / "operations.md").read_text()

    assert {name for name in read if f"`{name}`" not in documented} == set()
