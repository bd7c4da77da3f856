"""The table of all metrics for docs/metrics.md, from the metrics themselves."""

from __future__ import annotations

from typing import Final

from prometheus_client.metrics import MetricWrapperBase

from portal.core import metrics

HEAD: Final = """# Metrics

`manage.py metrics_reference` makes this page from `portal/core/metrics.py`; a test checks that it is current. How to
turn metrics on, and what to alert on: [operations.md, "Monitoring"](operations.md#monitoring).

Each process that serves metrics counts for itself: use `sum` (of `rate`). "Tables" means that every process reads the
same rows of the database: use `max`. No label has the name, the address or the id of an organization, a person or a
target.

| Metric | Type | Labels | What it says |
| --- | --- | --- | --- |
"""
FOOT: Final = """
The library adds `process_*` (CPU, memory, open files, start time), `python_gc_*` and `python_info`.
"""


def reference() -> str:
    """The page in Markdown."""
    rows = [_row(one) for one in own_metrics()]
    rows += [
        f"| `{one.name}` | gauge, tables | {_labels(one.labels)} | {one.help} |"
        for one in metrics.ROW_GAUGES
    ]
    return HEAD + "\n".join(rows) + "\n" + FOOT


def own_metrics() -> list[MetricWrapperBase]:
    """The metrics that processes count, in the order of the module, without those that are one of
    another's labels.
    """
    found = (one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase))
    return [one for one in found if not one._labelvalues]


def exported_name(metric: MetricWrapperBase) -> str:
    """The name in queries."""
    return f"{metric._name}_total" if metric._type == "counter" else metric._name


def _row(metric: MetricWrapperBase) -> str:
    name, labels = exported_name(metric), _labels(metric._labelnames)
    return f"| `{name}` | {metric._type} | {labels} | {metric._documentation} |"


def _labels(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "–"
