"""monitoring/: alert rules and a dashboard that use the metrics as they are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from portal.core import metrics
from portal.metrics.reference import exported_name, own_metrics

ROOT: Final = Path(__file__).parent.parent
FOLDER: Final = ROOT / "monitoring"
ALERTS: Final = yaml.safe_load((FOLDER / "alerts.yml").read_text())
DASHBOARD: Final = json.loads((FOLDER / "grafana-dashboard.json").read_text())
OF_PROMETHEUS: Final = {"job", "instance", "le"}
SELECTOR: Final = re.compile(r"\b(portal_\w+|process_\w+|up)\b(?:\{([^}]*)\})?")
GROUPING: Final = re.compile(r"\bby \(([^)]*)\)")


def known() -> dict[str, set[str]]:
    """The labels of each exported series."""
    found: dict[str, set[str]] = {row.name: set(row.labels) for row in metrics.ROW_GAUGES}
    for one in own_metrics():
        names = [exported_name(one)]
        if one._type == "histogram":
            names = [f"{names[0]}_{part}" for part in ("bucket", "sum", "count")]
        found |= {name: set(one._labelnames) for name in names}
    found |= {name: set() for name in ("up", "process_cpu_seconds_total", "process_open_fds")}
    return found | {"process_resident_memory_bytes": set()}


def rules() -> list[dict[str, Any]]:
    return [rule for group in ALERTS["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Where, and the query."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


@pytest.mark.parametrize(("where", "expression"), list(expressions()), ids=str)
def test_every_query_uses_metrics_and_labels_that_exist(where: str, expression: str) -> None:
    used = SELECTOR.findall(expression)
    labels = set()
    for name, selected in used:
        assert name in known(), (where, name)
        labels |= known()[name] | OF_PROMETHEUS
        named = {part.partition("=")[0].strip(" !~") for part in selected.split(", ") if part}
        assert named <= known()[name] | OF_PROMETHEUS, (where, name, named)

    assert used
    grouped = {name for group in GROUPING.findall(expression) for name in group.split(", ")}
    assert grouped <= labels, (where, grouped)


def test_every_metric_is_on_the_dashboard() -> None:
    shown = " ".join(target["expr"] for panel in panels() for target in panel["targets"])

    exported = {row.name for row in metrics.ROW_GAUGES} | {
        exported_name(one) for one in own_metrics()
    }
    assert {name for name in exported if name not in shown} == set()


def test_every_alert_says_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]

    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"].keys() == {"severity"}
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"].keys() == {"summary", "description"}


def test_every_alert_is_in_the_documentation() -> None:
    text = (ROOT / "docs/operations.md").read_text()

    assert {rule["alert"] for rule in rules() if f"`{rule['alert']}`" not in text} == set()


def test_panels_do_not_overlap() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y)
        for at in places
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_the_example_scrapes_every_service_that_serves_metrics() -> None:
    example = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    [targets] = example["scrape_configs"][0]["static_configs"]

    assert {one.partition(":")[0] for one in targets["targets"]} == {
        "web",
        "signal",
        "worker",
        "notices",
    }
    for one in targets["targets"]:
        name, _, port = one.partition(":")
        assert services[name]["environment"]["PORTAL_METRICS_ADDRESS"] == f"0.0.0.0:{port}"


@pytest.mark.skipif(not shutil.which("promtool"), reason="apt install prometheus")
@pytest.mark.parametrize(
    "command",
    ["check rules alerts.yml", "test rules alerts_test.yml", "check config prometheus.yml"],
)
def test_prometheus_accepts_them(tmp_path: Path, command: str) -> None:
    folder = shutil.copytree(FOLDER, tmp_path / "monitoring")
    (folder / "metrics_token").touch()

    done = subprocess.run(
        ["promtool", *command.split()], cwd=folder, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stdout + done.stderr
