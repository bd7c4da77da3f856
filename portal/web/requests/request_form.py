"""The values typed into the request form: unchanged, as a submission, and with their errors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID, uuid4

from django.http import QueryDict

from portal.core.errors import FieldError, Fix
from portal.core.formatting import lifetime
from portal.core.targets import (
    PROTOCOL_NAMES,
    Code,
    Piece,
    PortRange,
    Suggestion,
    TargetError,
    classify,
    protocol_number,
    read_ports,
    shown,
    split,
    split_ports,
)
from portal.core.wording.ports_and_protocols import traffic_words
from portal.core.wording.targets import field_error, ports_text
from portal.mitigations.models import Strategy
from portal.mitigations.validation import (
    INDEFINITE,
    MAX_NAMED_ERRORS,
    MAX_REASON_LENGTH,
    Policy,
    Submission,
)
from portal.web.requests.form_fixes import fix_fields, fix_value, replaced, with_ports

LIFETIMES_S: Final = (3600, 4 * 3600, 12 * 3600, 24 * 3600)
OFFERED_PROTOCOLS: Final = (6, 17, 1)
MAX_TYPED: Final = 4000
MAX_TICKED: Final = 100
MAX_LIFETIME_DIGITS: Final = 11
MAX_PROTOCOL_LENGTH: Final = 20
MAX_ERRORS: Final = 60
"""Errors that a page shows: those of a check, and of unreadable ports and protocols."""
TYPED_FIELDS: Final = {"prefixes": "prefix", "fqdns": "fqdn", "uris": "uri"}
_FIELD_OF: Final = {kind: name for name, kind in TYPED_FIELDS.items()}
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
    """An error at the input that caused it, with buttons that fix it."""

    input: str
    message: str
    fixes: tuple[Fix, ...] = ()

    @property
    def short(self) -> str:
        """For the linked list on top: the first sentence or half of it."""
        return re.split(r"(?<=[a-z0-9”’])(?:[.:] )", self.message, maxsplit=1)[0].rstrip(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestForm:
    """The current form: every typed value is kept."""

    key: str
    resources: tuple[str, ...] = ()
    other: str = ""
    ports: str = ""
    protocols: tuple[str, ...] = ()
    lifetime: str = ""
    renew: bool = True
    strategy: str = Strategy.FAILOVER.value
    subscriptions: tuple[str, ...] | None = None
    "None if the providers were not a choice"
    reason: str = ""
    errors: tuple[InputError, ...] = field(default=())

    @classmethod
    def fresh(cls, *, ticked: Sequence[str] = (), lifetime_s: int) -> RequestForm:
        return cls(key=str(uuid4()), resources=tuple(ticked), lifetime=str(lifetime_s))

    @classmethod
    def filled(cls, submission: Submission) -> RequestForm:
        """As a person would fill it in for `submission`, which has a lifetime.

        The providers are not a choice.
        """
        return cls(
            key=str(uuid4()),
            resources=tuple(map(str, submission.resources)),
            other=", ".join([*submission.prefixes, *submission.fqdns, *submission.uris]),
            ports=ports_text(submission.ports),
            protocols=tuple(map(str, submission.protocols)),
            lifetime=str(submission.lifetime_s),
            renew=submission.auto_renew,
            strategy=submission.strategy,
            reason=submission.reason,
        )

    @classmethod
    def typed(cls, data: QueryDict) -> RequestForm:
        return cls(
            key=data.get("key", "")[:64] or str(uuid4()),
            resources=tuple(data.getlist("resources")[:MAX_TICKED]),
            other=data.get("other", "")[:MAX_TYPED],
            ports=data.get("ports", "")[:MAX_TYPED],
            protocols=tuple(map(_by_number, data.getlist("protocols")[:MAX_TICKED])),
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
        """The targets typed under "Something else"."""
        return [piece.text for piece in split(self.other)]

    @property
    def by_kind(self) -> dict[str, list[str]]:
        kinds: dict[str, list[str]] = {name: [] for name in TYPED_FIELDS}
        for token in self.tokens:
            kinds[_FIELD_OF[classify(token)]].append(token)
        return kinds

    def submission(self) -> tuple[Submission, list[FieldError]]:
        """The submission for the service to check, and the errors of unreadable values."""
        unread: list[FieldError] = []
        kinds = self.by_kind
        submission = Submission(
            prefixes=tuple(kinds["prefixes"]),
            fqdns=tuple(kinds["fqdns"]),
            uris=tuple(kinds["uris"]),
            resources=_ids(self.resources),
            ports=_ports(self.ports, unread),
            protocols=_protocols(self.protocols, unread),
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

    def fixed(self, fix: str) -> RequestForm:
        """The form after a fix button: it replaces one typed target or range, adds ports and
        protocols, and keeps the rest.

        A form without the text to replace is returned unchanged.
        """
        fields = fix_fields(fix)
        wrong, by = fields.get("wrong", ""), fields.get("by", "")
        ports, other = self.ports, self.other
        if fields.get("in") == "ports":
            ports = replaced(self.ports, split_ports(self.ports), wrong, by)
        else:
            other = replaced(self.other, split(self.other), wrong, by)
        if (ports, other) == (self.ports, self.other):
            return self
        more = [one for one in fields.get("protocols", "").split() if one not in self.protocols]
        return replace(
            self,
            other=other,
            ports=with_ports(ports, fields.get("ports", "")),
            protocols=(*self.protocols, *more)[:MAX_TICKED],
        )

    def as_typed(self, error: FieldError) -> FieldError:
        """Point an error of the submission at its place in the typed text, whose unreadable ranges
        it does not count.
        """
        name, _, index = error.field.partition(".")
        if name != "ports" or not index:
            return error
        read = [place for place, piece in enumerate(split_ports(self.ports)) if _is_read(piece)]
        return replace(error, field=f"ports.{read[int(index)]}")

    def with_errors(self, errors: Sequence[FieldError]) -> RequestForm:
        """In the order of the page and of the typed text, whatever check found them."""
        typed = self.by_kind | {"ports": [piece.text for piece in split_ports(self.ports)]}
        found = sorted(
            (self._placed(error, typed) for error in errors[:MAX_ERRORS]), key=lambda one: one[0]
        )
        return replace(self, errors=tuple(error for _, error in found))

    def _placed(
        self, error: FieldError, typed: Mapping[str, Sequence[str]]
    ) -> tuple[tuple[int, int], InputError]:
        """The input on the page for the API's field path, and the place in it."""
        parts = error.field.split(".")
        if parts[0] == "targets":
            name = "other" if len(parts) > 1 and parts[1] in TYPED_FIELDS else "resources"
        else:
            name = parts[0] if parts[0] in _INPUTS else "form"
        wrong = _at(typed.get(".".join(parts[:-1]).removeprefix("targets."), ()), parts[-1])
        fixes = tuple(
            Fix(fix.label, fix_value(name, wrong, fix), fix.suggestion)
            for fix in error.fixes
            if wrong
        )
        text = self.ports if name == "ports" else self.other
        return (_INPUTS.index(name), text.find(wrong)), InputError(name, error.message, fixes)

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
        """The summary of the collapsed section, as text."""
        submission, _ = self.submission()
        traffic = traffic_words(submission.ports, submission.protocols)
        if not (submission.ports or submission.protocols):
            traffic = "Any port and protocol"
        length = submission.lifetime_s
        how_long = lifetime(length) if length is not None else ""
        if length == INDEFINITE:
            until = "Until you terminate it"
        else:
            until = f"{how_long}, {'renews automatically' if self.renew else 'then it ends'}"
        until = until[:1].upper() + until[1:]
        return f"{traffic}. {until}. {who}."


def who_in_words(providers: Sequence[str], strategy: str) -> str:
    if len(providers) < 2:
        return f"{providers[0]} only" if providers else "No provider"
    if strategy == Strategy.PARALLEL:
        return f"{' and '.join(providers)} at once"
    return f"{providers[0]} first, {' then '.join(providers[1:])} if it cannot help"


def lifetime_choices(policy: Policy, chosen: str) -> list[tuple[str, str]]:
    """The lifetimes to choose from, including the organization's default."""
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
    """Seconds; 0 for text other than a number, which every check refuses."""
    is_number = text.removeprefix("-").isdecimal() and len(text) <= MAX_LIFETIME_DIGITS
    return int(text) if is_number else 0


def typed_id(text: str) -> UUID | None:
    """None for empty text; an invalid id matches no row."""
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def protocol_choices(form: RequestForm) -> list[tuple[str, str, bool]]:
    """Value, name, ticked; protocols that were added by other means stay."""
    offered = [str(one) for one in OFFERED_PROTOCOLS]
    offered += [one for one in form.protocols if one not in offered and one.isdecimal()]
    return [(one, PROTOCOL_NAMES.get(int(one), one), one in form.protocols) for one in offered]


def _ids(texts: Sequence[str]) -> tuple[UUID, ...]:
    """Ticked boxes carry ids of the page; any other value is reported as not found."""
    return tuple(typed_id(text) or UUID(int=0) for text in texts)


def _at(typed: Sequence[str], index: str) -> str:
    return typed[int(index)] if index.isdecimal() and int(index) < len(typed) else ""


def _ports(text: str, unread: list[FieldError]) -> tuple[PortRange, ...]:
    ports: list[PortRange] = []
    pieces = split_ports(text)
    for index, piece in enumerate(pieces):
        if len(unread) >= MAX_NAMED_ERRORS:
            break
        try:
            read = read_ports(piece.text)
            if read.is_any and len(pieces) > 1:
                raise TargetError(Code.ANY_AND_MORE, piece.text, (Suggestion(),))
        except TargetError as error:
            unread.append(field_error(f"ports.{index}", error))
        else:
            ports += read.ports
    return tuple(ports)


def _is_read(piece: Piece) -> bool:
    try:
        return not read_ports(piece.text).is_any
    except TargetError:
        return False


def _by_number(text: str) -> str:
    """A protocol as its checkbox has it; an unreadable one as it was sent."""
    try:
        return str(protocol_number(text))
    except TargetError:
        return text[:MAX_PROTOCOL_LENGTH]


def _protocols(texts: Sequence[str], unread: list[FieldError]) -> tuple[int, ...]:
    numbers: list[int] = []
    for index, text in enumerate(texts):
        try:
            numbers.append(protocol_number(text))
        except TargetError as error:
            unread.append(field_error(f"protocols.{index}", error))
    return tuple(numbers)


def _lifetime(text: str, unread: list[FieldError]) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"-1|\d{1,12}", text):
        message = f"{shown(text)} is not a lifetime. Choose one of the list."
        unread.append(FieldError("lifetime", "not-a-number", message))
        return None
    return int(text)
