"""Exports of Routinator and rpki-client, as files and over HTTP; old ones look old."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pytest_django import Settings

from portal.organizations.models import Organization
from portal.rpki import services
from portal.rpki.models import RouteOrigins, ValidatorExport
from portal.rpki.origins import Origins, origins_of
from portal.rpki.validity import RouteValidity
from tests.factories import ResourceFactory

NOW = datetime(2026, 11, 29, 14, 0, tzinfo=UTC)
SHOP, OFFICE, NEW = map(ip_network, ("203.0.113.0/26", "2001:db8:10::/48", "198.51.100.0/24"))
ROUTINATOR = {
    "metadata": {"generated": 1795960500, "generatedTime": "2026-11-29T13:55:00Z"},
    "roas": [
        {"asn": "AS64500", "prefix": "203.0.113.0/24", "maxLength": 24, "ta": "ripe"},
        {"asn": "AS64500", "prefix": "198.18.0.0/15", "maxLength": 24, "ta": "ripe"},
    ],
    "routerKeys": [],
    "aspas": [],
}
RPKI_CLIENT = {
    "metadata": {"buildmachine": "v", "buildtime": "2026-11-29T13:55:00Z", "vrps": 2},
    "roas": [
        {"asn": 64500, "prefix": "203.0.113.0/24", "maxLength": 24, "expires": 1795961400},
        {"asn": 64501, "prefix": "2001:db8::/32", "maxLength": 32, "expires": 1795961400},
    ],
    "aspas": [],
    "bgpsec_keys": [],
}  # fmt: skip
Write = Callable[[Any], str]


@pytest.fixture
def write(tmp_path: Path, settings: Settings) -> Write:
    """Writes an export and makes it the configured one."""

    def written(export: Any) -> str:
        path = tmp_path / "export.json"
        path.write_text(export if isinstance(export, str) else json.dumps(export))
        settings.PORTAL_RPKI_SOURCE = str(path)
        return str(path)

    return written


@pytest.fixture(autouse=True)
def _resources(acme: Organization) -> None:
    for number, network in enumerate((SHOP, OFFICE)):
        ResourceFactory.create(organization=acme, name=f"Net {number}", value=str(network))


def known(now: datetime = NOW) -> Origins:
    found = origins_of([SHOP, OFFICE, NEW], now)
    assert found is not None
    return found


def answers(now: datetime = NOW) -> list[RouteValidity]:
    """AS 64500 for the shop and the office, AS 64501 for the shop, AS 64500 for a new network."""
    found = known(now)
    asked = ((SHOP, 64500), (OFFICE, 64500), (SHOP, 64501), (NEW, 64500))
    return [found.check(network, asn).validity for network, asn in asked]


VALID, INVALID, NOT_FOUND, UNKNOWN = (
    RouteValidity.VALID, RouteValidity.INVALID, RouteValidity.NOT_FOUND, RouteValidity.UNKNOWN,
)  # fmt: skip


@pytest.mark.parametrize(
    ("export", "expected"),
    [
        pytest.param(ROUTINATOR, [VALID, NOT_FOUND, INVALID, UNKNOWN], id="routinator"),
        pytest.param(RPKI_CLIENT, [VALID, INVALID, INVALID, UNKNOWN], id="rpki-client"),
    ],
)
def test_both_validators_are_read(export: Any, expected: list[RouteValidity], write: Write) -> None:
    services.refresh(write(export), NOW)

    assert answers() == expected
    assert known().generated_at == NOW - timedelta(minutes=5)
    assert RouteOrigins.objects.count() == 2, "nothing is kept that concerns no resource"


def test_expired_payloads_and_old_exports_say_nothing(write: Write) -> None:
    services.refresh(write(RPKI_CLIENT), NOW)
    expired = datetime.fromtimestamp(1795961400, UTC)

    assert answers(expired)[0] == NOT_FOUND
    assert set(answers(NOW + timedelta(hours=24))) == {UNKNOWN}
    assert set(answers(NOW - timedelta(hours=2))) == {UNKNOWN}, "written in the future"


@pytest.mark.parametrize(
    "export",
    [
        "",
        "{",
        "[]",
        "null",
        {"roas": []},
        {"metadata": {}},
        {**ROUTINATOR, "roas": [*ROUTINATOR["roas"], {"asn": "ASX", "prefix": "203.0.113.0/24"}]},
        {"roas": [{"asn": 1, "prefix": "203.0.113.7/24", "maxLength": 24}]},
        {"roas": [{"asn": 1, "prefix": "203.0.113.0/24", "maxLength": 8}]},
        {"roas": [{"asn": 2**32, "prefix": "203.0.113.0/24", "maxLength": 24}]},
        {"roas": [{"asn": 1}]},
        {"roas": ["203.0.113.0/24"]},
        {"roas": [None]},
    ],
    ids=range(13),
)
def test_an_unreadable_export_keeps_the_earlier_data(export: Any, write: Write) -> None:
    services.refresh(write(ROUTINATOR), NOW)

    services.refresh(write(export), NOW + timedelta(minutes=10))

    assert answers()[0] == VALID
    row = ValidatorExport.objects.get()
    assert (row.failed_at, bool(row.failure)) == (NOW + timedelta(minutes=10), True)


def test_a_missing_file_is_no_answer(tmp_path: Path, write: Write) -> None:
    write(ROUTINATOR)

    services.refresh(str(tmp_path / "nowhere"), NOW)

    assert set(answers()) == {UNKNOWN}
    assert "No such file" in ValidatorExport.objects.get().failure


def test_an_export_over_http_is_read_up_to_a_limit(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(ROUTINATOR)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/export.json"
        services.refresh(url, NOW)
        first = answers()
        monkeypatch.setattr(services, "MAX_EXPORT_BYTES", 100)
        services.refresh(url, NOW)
        server.shutdown()

    assert first[0] == VALID
    assert "larger than 100 bytes" in ValidatorExport.objects.get().failure


def test_a_redirection_is_no_answer(tmp_path: Path, write: Write) -> None:
    write(ROUTINATOR)

    class Elsewhere(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/export.json")
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Elsewhere, directory=str(tmp_path))
    ) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        services.refresh(f"http://127.0.0.1:{server.server_port}/moved", NOW)
        server.shutdown()

    assert "302" in ValidatorExport.objects.get().failure


def test_without_a_validator_there_are_no_checks(settings: Settings) -> None:
    settings.PORTAL_RPKI_SOURCE = ""

    assert origins_of([SHOP], NOW) is None
