from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_stack import programs
from tests.parsed import parsed

ROOT = Path(__file__).resolve().parent.parent
READERS = {
    "text",
    "flag",
    "integer",
    "items",
    "secret",
    "choice",
    "servers",
    "prefix_lengths",
    "networks",
}
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OF_THE_PORTAL = ("migrate", "web", "signal", "worker", "notices", "beat")
PROXY = "proxy"
CONTAINERS = {"signal worker": "signal", "notice worker": "notices"}
"""Names of services that differ from those of the processes."""
LOCAL_OPTIONS = {"--host", "--port", "-n", "-s", "-l"}


def test_every_variable_is_documented_once_and_every_documented_one_used() -> None:
    documented = Counter(
        re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    )

    assert set(documented) == variables_read_by_the_portal() | variables_of_the_containers()
    assert set(documented.values()) == {1}


def test_every_setting_reaches_the_containers() -> None:
    example = Counter(
        re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    )
    the_same_everywhere = {
        name.removesuffix("_FILE") for name in SERVICES["migrate"]["environment"]
    }
    wanted = variables_read_by_the_portal() | variables_of_the_containers()

    assert set(example) == wanted - the_same_everywhere
    assert set(example.values()) == {1}
    assert all(SERVICES[name]["env_file"] == [".env"] for name in OF_THE_PORTAL)


def test_shared_container_settings_contain_no_secret() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            is_secret = re.search("PASSWORD|SECRET|KEY|URL|TOKEN", variable)
            assert not is_secret or value.startswith("/run/secrets/"), (name, variable)


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_unneeded_privileges(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == PROXY else [])
    # Only the proxy accepts other machines. A port without an address would listen on IPv6 too,
    # whose callers the IPv4-only network cannot distinguish.
    listens_on = "0.0.0.0:" if name == PROXY else "127.0.0.1:"
    assert all(port.startswith(listens_on) for port in service.get("ports", []))


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {PROXY, "migrate", "simulated-pki"}))
def test_every_long_running_container_has_a_health_check(name: str) -> None:
    test = " ".join(SERVICES[name]["healthcheck"]["test"])

    # Podman sets no $HOSTNAME for a health check, and PostgreSQL's socket answers before the
    # database exists.
    assert "HOSTNAME" not in test
    assert name != "postgres" or "-h 127.0.0.1" in test


def test_git_and_image_builds_ignore_files_of_the_installation() -> None:
    # scripts/check-containers copies what git does not ignore.
    for ignored in (".gitignore", ".dockerignore"):
        lines = {line.strip("/") for line in (ROOT / ignored).read_text().splitlines()}
        assert {".env", "secrets", "backups"} <= lines, ignored


@pytest.mark.parametrize("process", programs.COMMANDS)
def test_every_installation_runs_the_same_processes(process: str) -> None:
    """The local stack, the containers and the table of processes in the documentation."""
    command = shlex.split(programs.COMMANDS[process])
    documented = shlex.split(commands_in_the_documentation()[process])

    assert documented == command
    assert without_local_options(command_of_the_container(process)) == without_local_options(
        command
    )
    assert without_local_options(command_of_the_local_stack(process)) == without_local_options(
        command
    )


def test_no_process_is_missing_from_a_list() -> None:
    assert list(commands_in_the_documentation()) == list(programs.COMMANDS)
    assert set(OF_THE_PORTAL) - {"migrate"} == {
        CONTAINERS.get(name, name) for name in programs.COMMANDS
    }


def commands_in_the_documentation() -> dict[str, str]:
    """Only the portal's own processes; databases have a version instead of a command."""
    text = (ROOT / "docs/operations.md").read_text()
    table = text.partition("| Process | Command |")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| ([a-z ]+) \| `([^`]+)` \|", table, re.MULTILINE))


def command_of_the_container(process: str) -> list[str]:
    service = SERVICES[CONTAINERS.get(process, process)]
    in_image = (ROOT / "Dockerfile").read_text().partition("CMD ")[2].partition("\n\n")[0]
    command: list[str] = service.get("command") or json.loads(in_image.replace("\\\n", ""))
    is_agent = service["environment"]["PORTAL_SIGNAL_AGENT"] == "1"
    return ["PORTAL_SIGNAL_AGENT=1", *command] if is_agent else command


def command_of_the_local_stack(process: str) -> list[str]:
    program = {
        "web": programs.web(8000, {}),
        "signal worker": programs.signal_worker("signal", {}),
        "worker": programs.default_worker({}),
        "notice worker": programs.notice_worker({}),
        "beat": programs.beat(Path("beat-schedule"), {}),
    }[process]
    _python, _module, *command = program.command
    return [*(f"{name}={value}" for name, value in program.environment.items()), *command]


def without_local_options(command: list[str]) -> list[str]:
    """In the order of their names.

    Left out: names, addresses, files and log levels, which differ between installations.
    """
    found = list(command)
    while local := next((option for option in found if option in LOCAL_OPTIONS), None):
        at = found.index(local)
        del found[at : at + 2]
    return sorted(found)


def test_every_image_has_its_version() -> None:
    version = re.compile(r"\$\{PORTAL_VERSION\b.*\}$|[0-9]+\.[0-9][\w.-]*$|16-bookworm$")

    for name, service in SERVICES.items():
        assert version.match(service["image"].partition(":")[2]), (name, service["image"])


def test_the_network_of_the_proxies_is_trusted() -> None:
    [subnet] = (part["subnet"] for part in COMPOSE["networks"]["default"]["ipam"]["config"])
    believed = SERVICES["web"]["environment"]["FORWARDED_ALLOW_IPS"]

    # The variable itself: a setting for another network must apply here too.
    assert subnet in default_of(believed).split(",")


def test_a_trial_with_a_proxy_needs_a_name() -> None:
    refused = subprocess.run(
        [ROOT / "scripts/install", "--try", "--proxy"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )

    assert refused.returncode == 1
    assert "--proxy needs --host" in refused.stderr


def default_of(value: str) -> str:
    found = re.fullmatch(r"\$\{\w+:-(.*)\}", value)
    assert found, value
    return found[1]


def variables_of_the_containers() -> set[str]:
    """The variables of .env that docker-compose.yml reads, and the tools that read it."""
    text = (ROOT / "docker-compose.yml").read_text()
    return {*re.findall(r"(?<!\$)\$\{([A-Z_]+)", text), "COMPOSE_PROFILES"}


def variables_read_by_the_portal() -> set[str]:
    calls = [
        node
        for path in (ROOT / "portal").rglob("*.py")
        if "env." in (source := path.read_text())
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.Call)
    ]
    return {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and (call.func.value.id, call.func.attr in READERS) == ("env", True)
        and isinstance(call.args[0], ast.Constant)
    }


@pytest.fixture
def operator(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs a script in a tree without an installation, on a machine without Docker and Podman."""
    tree, programs = tmp_path / "tree", tmp_path / "bin"
    shutil.copytree(ROOT / "scripts", tree / "scripts")
    for name in ("pyproject.toml", "docker-compose.yml", ".env.example"):
        shutil.copy(ROOT / name, tree)
    programs.mkdir()
    for name in ("bash", "dirname", "mkdir", "sed", "cat", "sort", "head", "tail", "date", "paste"):
        (programs / name).symlink_to(shutil.which(name) or name)

    def run(*command: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", *command],
            cwd=tree,
            env={"PATH": str(programs)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert not (tree / ".env").exists()
        assert not (tree / "secrets").exists()
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.parametrize("script", ["install", "upgrade", "backup", "restore"])
def test_a_script_has_help_and_refuses_unknown_options(
    operator: Callable[..., tuple[int, str]], script: str
) -> None:
    status, said = operator(f"scripts/{script}", "--help")
    assert status == 0
    assert f"scripts/{script}" in said

    status, said = operator(f"scripts/{script}", "--frobnicate")
    assert status == 1
    assert "Unknown option '--frobnicate'. Nothing was done." in said


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("install --host", "--host needs a value"),
        ("install --staff --no-build", "--staff needs a value"),
        ("install --host portal.example", "Neither Docker Compose nor Podman is installed"),
        ("upgrade", "This tree has no .env secrets/secrets_keys secrets/database_url"),
        ("upgrade 2.0.0", "does not take '2.0.0'. Nothing was done"),
        ("backup", "This tree has no .env"),
        ("backup one two", "Expected one folder, got 2"),
        ("restore", "Name one backup"),
        ("restore --stop", "Name one backup"),
        ("restore one two", "Name one backup"),
        ("restore nowhere.dump", "/tree/nowhere.dump is not a readable file. Nothing was"),
        ("restore scripts", "/tree/scripts is not a readable file. Nothing was changed"),
        ("restore --stop pyproject.toml", "This tree has no .env"),
    ],
)
def test_a_script_says_why_it_cannot_run(
    operator: Callable[..., tuple[int, str]], arguments: str, why: str
) -> None:
    script, *rest = arguments.split()

    status, said = operator(f"scripts/{script}", *rest)

    assert status == 1
    assert why in said, said
    assert "command not found" not in said


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("is_older 0.9.0 0.10.0", 0),
        ("is_older 0.10.0 0.9.0", 1),
        ("is_older 1.6.0 1.6.0", 1),
        ("is_older 1.6.0 1.6", 1),
        ("is_older 1.0.3 1.6", 0),
        ("is_host_name portal.example", 0),
        ("is_host_name localhost", 0),
        ("is_host_name https://portal.example", 1),
        ("is_host_name portal.example:8443", 1),
        ("is_host_name portal.example/", 1),
        ("is_host_name portal.example,www.portal.example", 1),
    ],
)
def test_the_scripts_distinguish_releases_and_names(
    operator: Callable[..., tuple[int, str]], call: str, status: int
) -> None:
    # The definitions of scripts/install before it does anything.
    defined = "sed -n '/^is_host_name/,/^}/p' scripts/install >var/names"

    assert operator("-c", f"source scripts/containers.sh; {defined}; source var/names; {call}") == (
        status,
        "",
    )
