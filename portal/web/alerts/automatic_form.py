"""What the portal may do automatically because of a detector, as typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from django.http import QueryDict

from portal.alerts.endpoint_policy import RANGES, AutomaticMode, EndpointPolicy
from portal.core.errors import FieldError, Invalid
from portal.core.numbers import whole_number
from portal.core.targets import IPNetwork, TargetError, read
from portal.core.wording.targets import field_error
from portal.web.settings.policy_page import TypedField

MAX_TYPED: Final = 20
"""Characters of a number."""
MAX_PREFIXES_TYPED: Final = 3_000
"""Characters of all prefixes."""
WORDS: Final = {
    "min_severity": ("Lowest severity", "0 to 4. An alert without a severity has 0."),
    "largest_v4": ("Largest IPv4 prefix", "32 allows single addresses only."),
    "largest_v6": ("Largest IPv6 prefix", "128 allows single addresses only."),
    "from_hour": ("From this hour", "0 to 24, UTC."),
    "to_hour": ("To this hour", "If it is earlier, it is of the next day."),
    "max_per_hour": ("Requests per hour", "Further ones wait for a person."),
    "hold_down_s": ("Hold-down", "Seconds after the reported end. Then the attack is over."),
}
"""The label and the hint of each number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomaticForm:
    """As typed, with what is wrong."""

    mode: str
    numbers: Mapping[str, str]
    "by the name of the value"
    prefixes: str
    terminates: bool
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def saved(cls, policy: EndpointPolicy) -> AutomaticForm:
        return cls(
            mode=policy.mode.value,
            numbers={name: str(getattr(policy, name)) for name in RANGES},
            prefixes="\n".join(map(str, policy.prefixes)),
            terminates=policy.terminates,
        )

    @classmethod
    def typed(cls, data: QueryDict) -> AutomaticForm:
        return cls(
            mode=data.get("mode", "")[:MAX_TYPED],
            numbers={name: data.get(name, "").strip()[:MAX_TYPED] for name in RANGES},
            prefixes=data.get("prefixes", "")[:MAX_PREFIXES_TYPED],
            terminates=data.get("terminates") == "yes",
        )

    @property
    def fields(self) -> list[TypedField]:
        return [
            TypedField(
                name=name,
                label=label,
                hint=hint,
                value=self.numbers[name],
                error=self.errors.get(name, ""),
            )
            for name, (label, hint) in WORDS.items()
        ]

    def policy(self) -> EndpointPolicy:
        """:raises Invalid: a choice, a number or a prefix that cannot be read."""
        errors = []
        if self.mode not in set(AutomaticMode):
            errors.append(FieldError("mode", "not-a-choice", "Choose one."))
        numbers = {name: _number(self.numbers[name], most) for name, (_, most) in RANGES.items()}
        for name, (least, most) in RANGES.items():
            if numbers[name] is None:
                message = f"Write a number from {least:,} to {most:,}."
                errors.append(FieldError(name, "not-a-number", message))
        prefixes, unread = _prefixes(self.prefixes)
        errors += unread
        if errors:
            raise Invalid(errors[0].message, errors=errors)
        return EndpointPolicy(
            mode=AutomaticMode(self.mode),
            prefixes=tuple(prefixes),
            terminates=self.terminates,
            **{name: one for name, one in numbers.items() if one is not None},
        )

    def with_errors(self, errors: Sequence[FieldError]) -> AutomaticForm:
        return replace(self, errors={one.field: one.message for one in reversed(errors)})


def _number(text: str, most: int) -> int | None:
    return whole_number(text, at_most=most)


def _prefixes(text: str) -> tuple[list[IPNetwork], list[FieldError]]:
    found: list[IPNetwork] = []
    errors: list[FieldError] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        try:
            value = read(line).value
        except TargetError as error:
            errors.append(field_error("prefixes", error))
            continue
        if isinstance(value, str):
            message = f"{value} is no prefix."
            errors.append(FieldError("prefixes", "not-a-prefix", message))
        else:
            found.append(value)
    return found, errors
