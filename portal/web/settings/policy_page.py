"""The policy: what the organization allows, and for admins the form to change it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar, Final

from portal.core.errors import FieldError
from portal.mitigations.validation import hours
from portal.organizations.members import admins
from portal.organizations.models import Approval, LateAcceptance, Role
from portal.organizations.policy import RANGES, PolicyValues, api_name
from portal.web.frame import Frame
from portal.web.options import Option, options
from portal.web.settings.navigation import SettingsPage

MAX_TYPED: Final = 20
"""Characters of a typed number."""
DURATIONS: Final = ("default_lifetime_s", "max_lifetime_s", "patience_s", "approval_wait_s")
YES_OR_NO: Final = ("may_be_indefinite", "names_in_notices")
WORDS: Final = {
    "max_lifetime_s": ("Longest lifetime", "Write 24 hours, 90 minutes or 45 s."),
    "default_lifetime_s": ("Lifetime offered", "For a new request."),
    "shortest_prefix_v4": (
        "Largest IPv4 prefix",
        "24 refuses a request for a /23. Empty: no limit.",
    ),
    "shortest_prefix_v6": (
        "Largest IPv6 prefix",
        "48 refuses a request for a /47. Empty: no limit.",
    ),
    "max_live_requests_per_person": (
        "Live requests per person",
        "Applies to each program too.",
    ),
    "patience_s": ("Patience", "How long a provider may be silent before the next one is asked."),
    "approval_prefix_v4": ("IPv4 prefixes larger than", "The length: 24 means larger than a /24."),
    "approval_prefix_v6": ("IPv6 prefixes larger than", "The length: 48 means larger than a /48."),
    "approval_wait_s": (
        "How long a request waits",
        "Then it expires, and nothing is sent.",
    ),
}
"""The label and the hint of each field that is typed."""
_UNITS: Final = {
    **dict.fromkeys(("", "s"), 1),
    **dict.fromkeys(("min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
}
"""Seconds of each unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedField:
    """One field of the form."""

    name: str
    label: str
    hint: str
    value: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyForm:
    """What was typed: text by the name of the column."""

    typed: Mapping[str, str]
    errors: Sequence[FieldError] = ()

    def error(self, name: str) -> str:
        found = (one.message for one in self.errors if one.field == api_name(name))
        return next(found, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPage(SettingsPage):
    """The values as sentences, or the form."""

    template: ClassVar = "settings/policy.html"
    tab: ClassVar = "policy"

    headline: str
    is_admin: bool
    admins: str
    "who can change it; for the others"
    limits: Sequence[TypedField]
    asking: Sequence[TypedField]
    waiting: Sequence[TypedField]
    late: Sequence[Option]
    approvals: Sequence[Option]
    may_be_indefinite: bool
    names_in_notices: bool
    max_live_requests: str
    error: str
    "how many fields are wrong; empty if none"


def policy_page(start: Frame, form: PolicyForm | None = None) -> PolicyPage:
    organization = start.organization
    form = form or saved_form(PolicyValues.of(organization))
    wrong = len(form.errors)
    return PolicyPage(
        frame=start,
        title="Policy",
        headline=headline(organization.approval),
        is_admin=start.membership.allows(Role.ADMIN),
        admins=", ".join(one.user.username for one in admins(organization)),
        limits=_fields(
            form,
            "max_lifetime_s",
            "default_lifetime_s",
            "shortest_prefix_v4",
            "shortest_prefix_v6",
            "max_live_requests_per_person",
        ),
        asking=_fields(form, "patience_s"),
        waiting=_fields(form, "approval_prefix_v4", "approval_prefix_v6", "approval_wait_s"),
        late=options(dict(LateAcceptance.choices), form.typed["late_acceptance"]),
        approvals=options(dict(Approval.choices), form.typed["approval"]),
        may_be_indefinite=form.typed["may_be_indefinite"] == "1",
        names_in_notices=form.typed["names_in_notices"] == "1",
        max_live_requests=f"{organization.max_live_requests:,}",
        error="" if not wrong else _nothing_saved(wrong),
    )


def headline(approval: str) -> str:
    match Approval(approval):
        case Approval.NEVER:
            return "Requests are sent at once. No second person approves them."
        case Approval.LARGER:
            return "A second person approves requests for large prefixes."
        case Approval.AUTOMATIC:
            return "A second person approves what programs request."
        case Approval.ALL:
            return "A second person approves every request."


def _nothing_saved(wrong: int) -> str:
    return f"Nothing was saved. Correct {'one thing' if wrong == 1 else f'{wrong} things'}."


def saved_form(values: PolicyValues) -> PolicyForm:
    return PolicyForm(typed={name: _text(name, one) for name, one in asdict(values).items()})


def _text(name: str, value: object) -> str:
    if name in DURATIONS and isinstance(value, int):
        return hours(value)
    if isinstance(value, bool):
        return "1" if value else ""
    return "" if value is None else str(value)


def _fields(form: PolicyForm, *names: str) -> list[TypedField]:
    return [
        TypedField(
            name=name,
            label=WORDS[name][0],
            hint=WORDS[name][1],
            value=form.typed[name],
            error=form.error(name),
        )
        for name in names
    ]


def typed_form(post: Mapping[str, str], saved: PolicyValues) -> PolicyForm:
    """What was typed; the limit that only staff change keeps its value."""
    typed = {name: post.get(name, "").strip()[:MAX_TYPED] for name in asdict(saved)}
    return PolicyForm(typed=typed | {"max_live_requests": str(saved.max_live_requests)})


def values_of(form: PolicyForm) -> tuple[PolicyValues | None, list[FieldError]]:
    """The values, or what cannot be read."""
    read: dict[str, object] = dict(form.typed)
    for name in YES_OR_NO:
        read[name] = form.typed[name] == "1"
    errors = []
    for name in RANGES:
        text = form.typed[name]
        if not text and name.startswith("shortest_prefix"):
            read[name] = None
            continue
        number = read_seconds(text) if name in DURATIONS else _read_number(text)
        if number is None:
            errors.append(FieldError(api_name(name), "not-a-number", _not_read(name, text)))
        read[name] = number
    if errors:
        return None, errors
    return PolicyValues(**read), []  # type: ignore[arg-type] # each was read above


def _not_read(name: str, text: str) -> str:
    what = "a time, such as 24 hours or 90 minutes" if name in DURATIONS else "a whole number"
    return f"“{text}” is not {what}." if text else f"Write {what}."


def _read_number(text: str) -> int | None:
    digits = text.removeprefix("/")
    return int(digits) if digits.isascii() and digits.isdecimal() else None


def read_seconds(text: str) -> int | None:
    """Seconds of a text such as "24 hours"; None if it is no time."""
    found = re.fullmatch(r"([0-9]{1,10})\s*([a-z]*)", text.lower())
    if found is None or found[2] not in _UNITS:
        return None
    return int(found[1]) * _UNITS[found[2]]
