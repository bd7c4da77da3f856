from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from local_stack.programs import BEAT, SIGNAL_WORKER
from portal import checks

ROOT = Path(__file__).parents[3]


@pytest.fixture
def ready(settings: Any) -> Any:
    """An installation with everything it needs."""
    settings.DEBUG = False
    settings.SECRET_KEY = "s" * checks.MIN_SECRET_KEY_LENGTH
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    settings.ALLOWED_HOSTS = ["portal.example"]
    settings.REDIS_URL = "redis://127.0.0.1:6379/0"
    return settings


def test_an_installation_with_all_required_settings_starts(ready: Any) -> None:
    checks.refuse_to_start()


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("SECRET_KEY", "", "portal.E001"),
        ("SECRET_KEY", "short", "portal.E001"),
        ("ENCRYPTION_KEYS", [], "portal.E002"),
        ("ENCRYPTION_KEYS", ["not a key"], "portal.E003"),
        ("ALLOWED_HOSTS", [], "portal.E004"),
        ("ALLOWED_HOSTS", ["*"], "portal.E004"),
        (
            "ALLOWED_HOSTS",
            ["portal.example", "https://portal.example"],
            "'https://portal.example' is not one host name",
        ),
        ("ALLOWED_HOSTS", ["portal.example:8443"], "portal.E004"),
        ("ALLOWED_HOSTS", ["portal.example/"], "portal.E004"),
        ("ALLOWED_HOSTS", ["portal.example www.portal.example"], "portal.E004"),
        ("REDIS_URL", "", "portal.E005"),
        ("METRICS_ADDRESS", ("0.0.0.0", 9464), "portal.E006"),
        ("METRICS_ADDRESS", ("::", 9464), "portal.E006"),
        ("METRICS_ADDRESS", ("192.0.2.1", 9464), "portal.E006"),
        ("METRICS_ADDRESS", ("portal.example", 9464), "portal.E006"),
        ("PORTAL_LEAKED_PASSWORDS", "/no/such/list", "portal.E007"),
        ("PORTAL_LEAKED_PASSWORDS", __file__, "is not a SHA-1 hash"),
    ],
)
def test_an_installation_without_one_of_them_does_not_start(
    ready: Any, name: str, value: object, found: str
) -> None:
    setattr(ready, name, value)

    with pytest.raises(ImproperlyConfigured, match=found):
        checks.refuse_to_start(checks.check_leaked_passwords)


def test_a_worker_needs_no_list_of_leaked_passwords(ready: Any) -> None:
    ready.PORTAL_LEAKED_PASSWORDS = "/no/such/list"

    checks.refuse_to_start()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_metrics_on_loopback_need_no_token(ready: Any, host: str) -> None:
    ready.METRICS_ADDRESS = (host, 9464)

    checks.refuse_to_start()


def test_metrics_with_a_token_may_listen_anywhere(ready: Any) -> None:
    ready.METRICS_ADDRESS, ready.METRICS_TOKEN = ("0.0.0.0", 9464), "a token"

    checks.refuse_to_start()


WEB = ("-c", "import portal.asgi")


def start(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], "DATABASE_URL": "sqlite:////nonexistent/never-opened"}
    return subprocess.run(
        [sys.executable, *(arguments or WEB)],
        cwd=ROOT,
        env=kept | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", ["web", "worker", "beat"])
def test_production_without_settings_refuses_to_start(tmp_path: Path, command: str) -> None:
    arguments = {
        "web": WEB,
        "worker": ("-m", *SIGNAL_WORKER.split()),
        "beat": ("-m", *BEAT.split(), "-s", str(tmp_path / "schedule")),
    }
    outcome = start(*arguments[command], DATABASE_URL=f"sqlite:///{tmp_path}/db")

    assert outcome.returncode == 1
    for found in ("E001", "E002", "E004", "E005"):
        assert f"portal.{found}" in outcome.stderr


def test_a_worker_with_a_misspelled_flag_refuses_to_start(tmp_path: Path) -> None:
    outcome = start(
        "-m",
        *SIGNAL_WORKER.split(),
        DATABASE_URL=f"sqlite:///{tmp_path}/db",
        PORTAL_DEBUG="1",
        PORTAL_SIGNAL_AGENT="ture",
    )

    assert outcome.returncode == 1
    assert "PORTAL_SIGNAL_AGENT is 'ture': write 1 or 0." in outcome.stderr


def test_development_needs_only_one_variable(tmp_path: Path) -> None:
    outcome = start(DATABASE_URL=f"sqlite:///{tmp_path}/db", PORTAL_DEBUG="1")

    assert (outcome.returncode, outcome.stderr) == (0, "")


def test_the_log_asks_once_for_the_current_name_of_a_setting(tmp_path: Path) -> None:
    key = Fernet.generate_key().decode()
    outcome = start(
        DATABASE_URL=f"sqlite:///{tmp_path}/db", PORTAL_DEBUG="1", PORTAL_SECRETS_KEYS=key
    )

    assert outcome.returncode == 0
    assert (
        outcome.stderr.count("PORTAL_SECRETS_KEYS is the former name of PORTAL_ENCRYPTION_KEYS")
        == 1
    )
    assert key not in outcome.stderr
