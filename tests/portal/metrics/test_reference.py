"""docs/metrics.md and the metrics themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from portal.core import metrics
from portal.metrics.reference import exported_name, own_metrics, reference

DOCUMENT: Final = Path(__file__).parents[3] / "docs/metrics.md"
LABELS: Final = {
    "age",
    "code",
    "direction",
    "door",
    "provider",
    "reason",
    "state",
    "status",
    "topic",
}
"""None of them can have a value of an organization, a person or a target."""


def test_the_document_lists_every_metric() -> None:
    assert DOCUMENT.read_text() == reference(), "manage.py metrics_reference > docs/metrics.md"


def test_every_registered_metric_is_in_the_document() -> None:
    registered = {family.name for family in metrics.REGISTRY.collect()}
    of_the_library = {name for name in registered if name.startswith(("process_", "python_"))}
    rows = {one.name for one in metrics.ROW_GAUGES}

    documented = {exported_name(one).removesuffix("_total") for one in own_metrics()}
    assert registered - of_the_library - rows == documented


def test_no_label_can_tell_tenants_apart() -> None:
    labels = {name for one in own_metrics() for name in one._labelnames}
    labels |= {name for one in metrics.ROW_GAUGES for name in one.labels}

    assert labels == LABELS


def test_names_follow_the_conventions_of_prometheus() -> None:
    for one in own_metrics():
        assert one._name.startswith("portal_")
        assert one._type != "histogram" or one._name.endswith(("_seconds", "_reports"))
    for row in metrics.ROW_GAUGES:
        assert row.name.startswith("portal_")
        assert not row.name.endswith("_total")
