"""What a person typed into the request form: kept as typed, turned into a submission, told what is wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID, uuid4

from django.http import QueryDict

from portal.core.errors import FieldError, Fix
from portal.core.formatting import lifetime
from portal.core.targets import classify, shown
from portal.mitigations.models import Strategy
from portal.mitigations.presentation import PROTOCOLS, traffic_words
from portal.mitigations.validation import INDEFINITE, MAX_REASON_LENGTH, Policy, Submission

LIFETIMES_S: Final = (3600, 4 * 3600, 12 * 3600, 24 * 3600)
OFFERED_PROTOCOLS: Final = (6, 17, 1)
MAX_TYPED: Final = 4000
MAX_TICKED: Final = 100
MAX_LIFETIME_DIGITS: Final = 11
_SEPARATORS: Final = re.compile(r"[\s,;]+")
_RANGE: Final = re.compile(r"(\d{1,6})(?:\s*[-–—:]\s*(\d{1,6}))?")

TYPED_FIELDS: Final = {"prefixes": "prefix", "fqdns": "fqdn", "uris": "uri"}
_INPUTS: Final = (
    "form",
    "resources",
    "other",
    "ports",
    "protocols",
    "lifetime",
    "strategy",
    "subscriptions",
    "reason",
)
OPTION_INPUTS: Final = ("ports", "protocols", "lifetime", "strategy", "subscriptions", "reason")


@dataclass(frozen=True, slots=True)
class InputError:
    """An error at the input that caused it, with buttons that mend it."""

    input: str
    message: str
    fixes: tuple[Fix, ...] = ()

    @property
    def short(self) -> str:
        """For the linked list on top: the first sentence or half of it."""
        return re.split(r"(?<=[a-z0-9”’])(?:[.:] )", self.message, maxsplit=1)[0].rstrip(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestForm:
    """The form as it stands: every typed value kept."""

    key: str
    resources: tuple[str, ...] = ()
    other: str = ""
    ports: str = ""
    protocols: tuple[str, ...] = ()
    lifetime: str = ""
    renew: bool = True
    strategy: str = Strategy.FAILOVER.value
    subscriptions: tuple[str, ...] | None = None
    "None: the providers were not a choice"
    reason: str = ""
    errors: tuple[InputError, ...] = field(default=())

    @classmethod
    def fresh(cls, *, ticked: Sequence[str] = (), lifetime_s: int) -> RequestForm:
        return cls(key=str(uuid4()), resources=tuple(ticked), lifetime=str(lifetime_s))

    @classmethod
    def typed(cls, data: QueryDict) -> RequestForm:
        return cls(
            key=data.get("key", "")[:64] or str(uuid4()),
            resources=tuple(data.getlist("resources")[:MAX_TICKED]),
            other=data.get("other", "")[:MAX_TYPED],
            ports=data.get("ports", "")[:MAX_TYPED],
            protocols=tuple(one for one in data.getlist("protocols")[:MAX_TICKED] if len(one) < 5),
            lifetime=data.get("lifetime", "")[:20],
            renew=data.get("renew", "1") != "0",
            strategy=data.get("strategy", Strategy.FAILOVER.value)[:20],
            subscriptions=tuple(data.getlist("subscriptions")[:MAX_TICKED])
            if "choosing" in data
            else None,
            reason=data.get("reason", "")[: MAX_REASON_LENGTH + 1],
        )

    @property
    def tokens(self) -> list[str]:
        """What was typed under "Something else", one by one."""
        return [token for token in _SEPARATORS.split(self.other) if token]

    @property
    def by_kind(self) -> dict[str, list[str]]:
        kinds: dict[str, list[str]] = {name: [] for name in TYPED_FIELDS}
        for token in self.tokens:
            kind = classify(token)
            kinds[next(name for name, own in TYPED_FIELDS.items() if own == kind)].append(token)
        return kinds

    def submission(self) -> tuple[Submission, list[FieldError]]:
        """What the service is asked to check, and what cannot even be read."""
        unread: list[FieldError] = []
        kinds = self.by_kind
        submission = Submission(
            prefixes=tuple(kinds["prefixes"]),
            fqdns=tuple(kinds["fqdns"]),
            uris=tuple(kinds["uris"]),
            resources=_ids(self.resources),
            ports=_ports(self.ports, unread),
            protocols=tuple(int(one) for one in self.protocols if one.isdecimal()),
            lifetime_s=_lifetime(self.lifetime, unread),
            auto_renew=self.renew,
            strategy=self.strategy,
            subscriptions=_ids(self.subscriptions or ()),
            reason=self.reason,
        )
        if self.subscriptions is not None and not submission.subscriptions:
            message = "Choose at least one provider."
            unread.append(FieldError("subscriptions", "required", message))
        return submission, unread

    def mended(self, fix: str) -> RequestForm:
        """The form with one typed target or range replaced by what a fix button offers, which may be nothing."""
        path, _, value = fix.partition("=")
        name, _, index = path.rpartition(".")
        if name == "ports" and index.isdecimal():
            ranges = _port_parts(self.ports)
            if int(index) < len(ranges):
                ranges[int(index)] = value
            return replace(self, ports=", ".join(filter(None, ranges)))
        kinds = self.by_kind.get(name.removeprefix("targets."), [])
        if not index.isdecimal() or int(index) >= len(kinds):
            return self
        wrong = kinds[int(index)]
        tokens = [value if token == wrong else token for token in self.tokens]
        return replace(self, other=", ".join(filter(None, tokens)))

    def as_typed(self, error: FieldError) -> FieldError:
        """Point an error of the submission at its place in the typed text, whose unreadable ranges it does not count."""
        name, _, index = error.field.partition(".")
        if name != "ports" or not index:
            return error
        parts = enumerate(_port_parts(self.ports))
        read = [place for place, part in parts if _RANGE.fullmatch(part)]
        return replace(error, field=f"ports.{read[int(index)]}")

    def with_errors(self, errors: Sequence[FieldError]) -> RequestForm:
        """In the order of the page, whoever found them."""
        found = [_input_error(error) for error in errors]
        return replace(self, errors=tuple(sorted(found, key=lambda one: _INPUTS.index(one.input))))

    @property
    def wrong(self) -> dict[str, tuple[InputError, ...]]:
        """Errors by input, for the template."""
        found: dict[str, tuple[InputError, ...]] = {}
        for error in self.errors:
            found[error.input] = (*found.get(error.input, ()), error)
        return found

    @property
    def has_option_errors(self) -> bool:
        return any(error.input in OPTION_INPUTS for error in self.errors)

    def options_in_words(self, who: str) -> str:
        """The fold's summary: what is inside, in words."""
        submission, _ = self.submission()
        ports = [{"lower": lower, "upper": upper} for lower, upper in submission.ports]
        traffic = traffic_words(ports, submission.protocols)
        if traffic == "Any":
            traffic = "Any port and protocol"
        length = submission.lifetime_s
        how_long = lifetime(length) if length is not None else ""
        if length == INDEFINITE:
            until = "Until you terminate it"
        else:
            until = f"{how_long}, {'renews itself' if self.renew else 'then it ends'}"
        until = until[:1].upper() + until[1:]
        return f"{traffic}. {until}. {who}."


def who_in_words(providers: Sequence[str], strategy: str) -> str:
    if len(providers) < 2:
        return f"{providers[0]} only" if providers else "No provider"
    if strategy == Strategy.PARALLEL:
        return f"{' and '.join(providers)} at once"
    return f"{providers[0]} first, {' then '.join(providers[1:])} if it cannot help"


def lifetime_choices(policy: Policy, chosen: str) -> list[tuple[str, str]]:
    """What may be chosen, the organization's default included."""
    values = {*LIFETIMES_S, policy.default_lifetime_s}
    if chosen.isdecimal() and len(chosen) < 12 and int(chosen) > 0:
        values.add(int(chosen))
    offered = sorted(
        value for value in values if value <= policy.max_lifetime_s or str(value) == chosen
    )
    choices = [(str(value), lifetime(value)) for value in offered]
    if policy.may_be_indefinite:
        choices.append((str(INDEFINITE), "Until I terminate it"))
    return choices


def typed_lifetime(text: str) -> int:
    """Seconds; what is no number is 0, which no check lets through."""
    is_number = text.removeprefix("-").isdecimal() and len(text) <= MAX_LIFETIME_DIGITS
    return int(text) if is_number else 0


def typed_id(text: str) -> UUID | None:
    """None for nothing; an id that is none belongs to nobody."""
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def protocol_choices(form: RequestForm) -> list[tuple[str, str, bool]]:
    """Value, name, ticked; what was ticked by other means stays."""
    offered = [str(one) for one in OFFERED_PROTOCOLS]
    offered += [one for one in form.protocols if one not in offered and one.isdecimal()]
    return [(one, PROTOCOLS.get(int(one), one), one in form.protocols) for one in offered]


def _ids(texts: Sequence[str]) -> tuple[UUID, ...]:
    """Ticked boxes carry ids of ours; anything else cannot be found and is told so."""
    return tuple(typed_id(text) or UUID(int=0) for text in texts)


def _port_parts(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _ports(text: str, unread: list[FieldError]) -> tuple[tuple[int, int], ...]:
    ports: list[tuple[int, int]] = []
    for index, part in enumerate(_port_parts(text)):
        match = _RANGE.fullmatch(part)
        if match is None:
            message = f"{shown(part)} is not a port. Write numbers like 80, 443 or 8000–8080."
            unread.append(FieldError(f"ports.{index}", "not-a-port", message))
            continue
        lower = int(match[1])
        ports.append((lower, int(match[2]) if match[2] else lower))
    return tuple(ports)


def _lifetime(text: str, unread: list[FieldError]) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"-1|\d{1,12}", text):
        message = f"{shown(text)} is not a lifetime. Choose one of the list."
        unread.append(FieldError("lifetime", "not-a-number", message))
        return None
    return int(text)


def _input_error(error: FieldError) -> InputError:
    """The API's field path as the input of the page that holds it."""
    parts = error.field.split(".")
    if parts[0] == "targets":
        name = "other" if len(parts) > 1 and parts[1] in TYPED_FIELDS else "resources"
    else:
        name = parts[0] if parts[0] in _INPUTS else "form"
    fixes = tuple(Fix(fix.label, f"{error.field}={fix.value}") for fix in error.fixes)
    return InputError(name, error.message, fixes)
