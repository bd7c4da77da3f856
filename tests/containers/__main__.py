"""`python -m tests.containers FOLDER`: what an operator does with the containers.
scripts/check-containers starts it and provides the network.

FOLDER is a copy of the tree. The images must exist.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.containers.portal import Containers, Portal
from tests.integration.stack import wait_for

STAFF, PASSWORD, OWN_PASSWORD = "root", "wet-otter-climbs-7-hills", "nine-dry-otters-went-home"
URL = "https://localhost"
NORTHGATE = "http://127.0.0.1:4650"
REQUESTS = "organizations/acme/mitigation-requests"
UNKNOWN = "organizations/acme/unknown-mitigations"
SERVICES = ("migrate", "web", "signal", "worker", "notices", "beat", "redis", "postgres", "proxy",
"simulated-pki", "northgate", "tidewall")  # fmt: skip
HARDENED = (
    "web",
    "signal",
    "worker",
    "notices",
    "beat",
    "redis",
    "postgres",
    "northgate",
    "tidewall",
)
BEFORE, LOST, AFTER, LAST = (f"203.0.113.{host}/32" for host in (20, 40, 30, 50))
NEXT_VERSION = "99.0.0"
PHONE = "+1 555 0142"

# All containers share the network namespace of this run, since no bridge can be made here. Service
# names resolve to loopback.
OVERRIDE = {
    "services": {
        name: {"network_mode": "host", "extra_hosts": [f"{other}:127.0.0.1" for other in SERVICES]}
        for name in SERVICES
    }
}


@contextmanager
def step(name: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{time.monotonic() - began:6.1f} s  {name}", flush=True)


def main(folder: Path) -> None:
    (folder / "docker-compose.check.yml").write_text(json.dumps(OVERRIDE))
    files = "docker-compose.yml:docker-compose.podman.yml:docker-compose.check.yml"
    containers = Containers(folder, {"CONTAINERS": "podman", "COMPOSE_FILE": files})
    began = time.monotonic()

    with step("scripts/install --try --proxy, with nobody at a terminal"):
        install(containers)
    behaviour = {"status_delay_s": 0.2, "terminating_s": 1}
    httpx.post(f"{NORTHGATE}/behaviour", json=behaviour, timeout=5).raise_for_status()
    with step("nothing is there that no process needs"):
        check_hardening(containers)
    root = containers.run_in("proxy", "cat", "/data/caddy/pki/authorities/local/root.crt")
    portal = Portal(URL, root)
    with step("first sign-in through the proxy"):
        portal.sign_in_for_the_first_time(STAFF, PASSWORD, OWN_PASSWORD)
    with step("the sessions with both providers are up"):
        wait_for(lambda: are_sessions_up(portal), within_s=30)
    with step(f"a request for {BEFORE} is mitigating"):
        known = mitigated(portal, BEFORE)
    print(f"{time.monotonic() - began:6.1f} s  from nothing to that", flush=True)

    with step("the signal worker dies; a new one has the sessions, and the mitigation goes on"):
        before = sessions(portal)
        containers.podman("kill", containers.of("signal"))
        containers.podman("start", containers.of("signal"))
        wait_for(lambda: are_sessions_up(portal, other_than=before), within_s=60)
        assert [one["mid"] for one in believed(BEFORE)] == [known["mitigations"][0]["mid"]]
    with step("scripts/backup"):
        backup = back_up(containers)
    with step("a request is lost by scripts/restore, shown, and withdrawn"):
        lose_one_request(containers, portal, backup)
    with step("scripts/upgrade"):
        upgrade(containers, portal)
    print(f"{time.monotonic() - began:6.1f} s  in all", flush=True)


def install(containers: Containers) -> None:
    said = containers.script(
        *("install", "--no-build", "--try", "--proxy", "--host", "localhost", "--staff", STAFF),
        PORTAL_STAFF_PASSWORD=PASSWORD,
    )
    assert f"The portal runs: {URL}" in said, said
    assert "ATTENTION" not in said, said
    assert PASSWORD not in said
    folder = containers.folder
    assert not any(PASSWORD in path.read_text() for path in folder.glob("var/*.log"))
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    assert (folder / "secrets").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (folder / "secrets").iterdir()} == {0o644}


def check_hardening(containers: Containers) -> None:
    for service in HARDENED:
        status = containers.run_in(service, "cat", "/proc/1/status")
        held = dict(re.findall(r"^(Uid|Cap\w+|NoNewPrivs):\s+(\w+)", status, re.MULTILINE))
        assert held.pop("Uid") != "0", service
        assert held.pop("NoNewPrivs") == "1", service
        assert {int(value, 16) for value in held.values()} == {0}, (service, held)
        root = containers.run_in(service, "sh", "-c", "grep ' / ' /proc/mounts | tail -1")
        assert " ro," in root, (service, root)
    in_image = containers.run_in("web", "sh", "-c", "cd /app && ls -A")
    assert set(in_image.split()) == {
        *("dots_client", "manage.py", "portal", "requirements.txt", "static", "staticfiles"),
        *("templates", "var"),
    }
    assert "/healthz" not in containers.podman("logs", containers.of("web"))
    assert containers.run_in("web", "id", "-u").strip() == "10001"


def sessions(portal: Portal) -> list[dict[str, Any]]:
    return [one["session"] for one in portal.get("organizations/acme/subscriptions")["results"]]


def are_sessions_up(portal: Portal, other_than: Sequence[dict[str, Any]] = ()) -> bool:
    """Whether the sessions with both providers are up, each newer than its counterpart in
    `other_than`.
    """
    now = sessions(portal)
    earlier = {one["since"] for one in other_than}
    return [one["state"] for one in now] == ["up", "up"] and not earlier & {
        one["since"] for one in now
    }


def mitigated(portal: Portal, prefix: str) -> dict[str, Any]:
    """Make a new request and wait until portal and provider report that it mitigates."""
    asked = portal.post(REQUESTS, {"targets": {"prefixes": [prefix]}})
    path = f"{REQUESTS}/{asked['id']}"
    wait_for(lambda: portal.get(path)["status"] == "mitigating", within_s=30)
    request: dict[str, Any] = portal.get(path)
    [held] = believed(prefix)
    assert held["mid"] == request["mitigations"][0]["mid"]
    return request


def believed(prefix: str) -> list[dict[str, Any]]:
    """The mitigations that Northgate itself holds for a prefix."""
    state = httpx.get(f"{NORTHGATE}/state", timeout=5).json()
    return [one for one in state["mitigations"] if prefix in one["scope"]["target-prefix"]]


def back_up(containers: Containers) -> Path:
    containers.script("backup")
    [backup] = (containers.folder / "backups").iterdir()
    assert backup.stat().st_mode & 0o777 == 0o600
    return backup


def change_setting(containers: Containers, name: str, value: str) -> None:
    """What only .env says: nothing in the compose files changes with it."""
    with (containers.folder / ".env").open("a") as settings:
        settings.write(f"{name}={value}\n")


def lose_one_request(containers: Containers, portal: Portal, backup: Path) -> None:
    lost = mitigated(portal, LOST)
    refused = containers.script("restore", str(backup), fails=True)
    assert "The portal runs (web signal worker notices beat)" in refused, refused
    spoiled = backup.with_name("spoiled")
    spoiled.write_bytes(backup.read_bytes()[:-1000])  # its list of contents, at the start, is whole
    refused = containers.script("restore", "--stop", str(spoiled), fails=True)
    assert "is not a complete backup" in refused, refused
    spoiled.unlink()
    assert portal.get(f"{REQUESTS}/{lost['id']}")["status"] == "mitigating"

    change_setting(containers, "PORTAL_EMERGENCY_PHONE", PHONE)

    containers.script("restore", "--stop", str(backup))

    assert portal.is_signed_out(), "a session of the backup, which a thief may hold, works again"
    portal.sign_in(STAFF, OWN_PASSWORD)
    for service in ("web", "signal"):
        now = containers.run_in(service, "printenv", "PORTAL_EMERGENCY_PHONE")
        assert now.strip() == PHONE, service
    orphans = wait_for(lambda: portal.get(UNKNOWN)["results"], within_s=60)
    assert [one["targets"]["prefixes"] for one in orphans] == [[LOST]], orphans
    [orphan] = orphans
    after = mitigated(portal, AFTER)
    assert after["mitigations"][0]["mid"] > believed(LOST)[0]["mid"]
    portal.post(f"{UNKNOWN}/{orphan['id']}/withdraw")
    wait_for(lambda: believed(LOST) == [], within_s=60)


def upgrade(containers: Containers, portal: Portal) -> None:
    """Upgrade to a release that only has another number. tests/upgrade covers databases of earlier
    releases.
    """
    pyproject = containers.folder / "pyproject.toml"
    changed, count = re.subn(
        r'(?m)^version = "(.*)"$', f'version = "{NEXT_VERSION}"', pyproject.read_text()
    )
    assert count == 1
    before = next(
        line for line in pyproject.read_text().splitlines() if line.startswith("version = ")
    ).split('"')[1]
    pyproject.write_text(changed)
    assert "run scripts/upgrade" in containers.script("install", fails=True)
    for image in ("ddos-mitigation-portal", "ddos-mitigation-portal-simulator"):
        name = f"docker.io/library/{image}"
        containers.podman("tag", f"{name}:{before}", f"{name}:{NEXT_VERSION}")

    kept = {path: path.read_bytes() for path in (containers.folder / "secrets").iterdir()}
    said = containers.script("upgrade", "--no-build")

    assert f"Upgraded from {before} to {NEXT_VERSION}" in said, said
    assert len(list((containers.folder / "backups").iterdir())) == 2
    image = containers.podman("inspect", "--format", "{{.ImageName}}", containers.of("signal"))
    assert image.strip().endswith(f":{NEXT_VERSION}"), image
    assert kept == {path: path.read_bytes() for path in (containers.folder / "secrets").iterdir()}
    wait_for(lambda: are_sessions_up(portal), within_s=30)
    mitigated(portal, LAST)
    assert believed(BEFORE)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
