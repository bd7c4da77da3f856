"""Print docs/state-machines.md from the transition tables, so that the diagrams match the code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from django.core.management.base import BaseCommand

from portal.mitigations.models import ApprovalOutcome
from portal.mitigations.services import approval_rows as approvals
from portal.mitigations.states import TERMINAL, TRANSITIONS, Status, Trigger
from portal.ownership import states as claims

HEADER = """# State machines

Drawn by `manage.py state_diagrams` from `portal/mitigations/states.py`, `portal/ownership/states.py` and
`portal/mitigations/services/approval_rows.py`; `scripts/lint` checks that it is current. Steps that do not change the
state are left out.
"""


class Command(BaseCommand):
    help = "Print the state diagrams as Markdown with Mermaid."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(HEADER)
        self.stdout.write("")
        self._draw("One provider's mitigation", Status.PENDING, TRANSITIONS, Trigger, TERMINAL)
        self.stdout.write("")
        self._draw(
            "An organization's claim to a resource",
            claims.ClaimState.UNPROVED,
            claims.TRANSITIONS,
            claims.ClaimTrigger,
        )
        self.stdout.write("")
        self._draw(
            "The approval that a request waits for",
            ApprovalOutcome.WAITING,
            approvals.TRANSITIONS,
            approvals.ApprovalTrigger,
            [one for one in ApprovalOutcome if one != ApprovalOutcome.WAITING],
        )

    def _draw(
        self,
        title: str,
        first: Enum,
        transitions: Mapping[tuple[Any, Any], Any],
        triggers: Iterable[Enum],
        terminal: Iterable[Enum] = (),
    ) -> None:
        self.stdout.write(f"## {title}\n")
        self.stdout.write("```mermaid")
        self.stdout.write("stateDiagram-v2")
        self.stdout.write(f"    [*] --> {first.value}")
        for (source, target), causes in _arrows(transitions).items():
            words = ", ".join(cause.name.lower() for cause in causes)
            self.stdout.write(f"    {source.value} --> {target.value}: {words}")
        for state in terminal:
            self.stdout.write(f"    {state.value} --> [*]")
        self.stdout.write("```")
        self.stdout.write("\n| Trigger | What happened |\n| --- | --- |")
        for trigger in triggers:
            self.stdout.write(f"| {trigger.name.lower()} | {trigger.value} |")


def _arrows(transitions: Mapping[tuple[Any, Any], Any]) -> dict[tuple[Any, Any], list[Any]]:
    arrows: dict[tuple[Any, Any], list[Any]] = defaultdict(list)
    for (source, trigger), target in transitions.items():
        if source != target:
            arrows[source, target].append(trigger)
    return arrows
