"""Print docs/state-machines.md from the transition table, so that the diagrams match the code."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.core.management.base import BaseCommand

from portal.mitigations.states import TERMINAL, TRANSITIONS, Status, Trigger

HEADER = """# State machines

Drawn by `manage.py state_diagrams` from `portal/mitigations/states.py`; `scripts/lint` checks that it is current.
Steps that do not change the status are left out.

## One provider's mitigation
"""


class Command(BaseCommand):
    help = "Print the state diagrams as Markdown with Mermaid."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(HEADER)
        self.stdout.write("```mermaid")
        self.stdout.write("stateDiagram-v2")
        self.stdout.write(f"    [*] --> {Status.PENDING.value}")
        for (source, target), triggers in _arrows().items():
            words = ", ".join(trigger.name.lower() for trigger in triggers)
            self.stdout.write(f"    {source.value} --> {target.value}: {words}")
        for status in TERMINAL:
            self.stdout.write(f"    {status.value} --> [*]")
        self.stdout.write("```")
        self.stdout.write("\n| Trigger | What happened |\n| --- | --- |")
        for trigger in Trigger:
            self.stdout.write(f"| {trigger.name.lower()} | {trigger.value} |")


def _arrows() -> dict[tuple[Status, Status], list[Trigger]]:
    arrows: dict[tuple[Status, Status], list[Trigger]] = defaultdict(list)
    for (source, trigger), target in TRANSITIONS.items():
        if source != target:
            arrows[source, target].append(trigger)
    return arrows
