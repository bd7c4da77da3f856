"""What fields of different sources mean: targets, protocols, ports, severities, identities."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from portal.alerts.alert import (
    MAX_EVENT_ID_LENGTH,
    MAX_TARGETS,
    MappingSettings,
    RejectionCode,
    UnmappableError,
)
from portal.core.targets import (
    PortRange,
    Target,
    TargetError,
    Targets,
    protocol_number,
    read,
    read_ports,
    split_ports,
)

_SEVERITIES: Final[Mapping[str, int]] = {
    "clear": 0, "info": 0, "informational": 0, "notice": 0,
    "low": 1, "minor": 1,
    "middle": 2, "medium": 2, "warning": 2, "moderate": 2,
    "high": 3, "major": 3, "error": 3, "severe": 3,
    "critical": 4, "emergency": 4, "alert": 4,
}  # fmt: skip
MAX_SEVERITY: Final = 4
_OPEN: Final = frozenset({"", "any", "all", "unknown", "other", "ip", "none", "mixed", "0"})
"""Names of no particular protocol."""


def target(text: str, field: str) -> Target:
    """:raises UnmappableError: `text` is no target that a provider could protect."""
    try:
        return read(text)
    except TargetError:
        raise UnmappableError(RejectionCode.BAD_TARGET, field) from None


def targets(texts: Iterable[str], field: str) -> Targets:
    found = Targets.of(target(text, field) for text in texts if text)
    if len(found) > MAX_TARGETS:
        raise UnmappableError(RejectionCode.TOO_MANY_TARGETS, field)
    return found


def targets_of_host(host: str, settings: MappingSettings) -> Targets:
    """The targets behind a web server's name: by the endpoint's map, else its default target."""
    name = host.strip().lower().rstrip(".")
    if not name.startswith("["):
        name = name.partition(":")[0]
    found = settings.hosts.get(name, settings.default)
    if not found and settings.hosts:
        raise UnmappableError(RejectionCode.UNKNOWN_HOST, name[:100])
    return found


def protocols(texts: Iterable[str], field: str) -> tuple[int, ...]:
    """Protocol numbers of names or numbers; those that mean any protocol are left out."""
    found: dict[int, None] = {}
    for text in texts:
        if text.strip().lower() in _OPEN:
            continue
        try:
            number = protocol_number(text)
        except TargetError:
            raise UnmappableError(RejectionCode.WRONG_TYPE, field) from None
        if number > 255:
            raise UnmappableError(RejectionCode.BAD_NUMBER, field)
        found[number] = None
    return tuple(found)


def known_protocols(text: str) -> tuple[int, ...]:
    """The protocol in a free word of a detector; none if it names none."""
    try:
        return protocols([text], "")
    except UnmappableError:
        return ()


def ports(texts: Iterable[str], field: str) -> tuple[PortRange, ...]:
    """Port ranges; 0 means any port and is left out."""
    found: dict[PortRange, None] = {}
    for text in texts:
        for piece in split_ports(text):
            try:
                ranges = read_ports(piece.text).ports
            except TargetError:
                raise UnmappableError(RejectionCode.BAD_NUMBER, field) from None
            if not all(one.is_valid for one in ranges):
                raise UnmappableError(RejectionCode.BAD_NUMBER, field)
            found.update(dict.fromkeys(one for one in ranges if one.upper))
    return tuple(found)


def severity(text: str) -> int | None:
    """0 to 4 of a word, or of one of these digits; None if it is neither."""
    word = text.strip().lower()
    if len(word) == 1 and word in "01234":
        return int(word)
    return _SEVERITIES.get(word)


def identity(*parts: object) -> str:
    """An event id for a source that has none, from what stays the same during an incident."""
    joined = "\n".join(map(str, parts)).encode("utf-8", "replace")
    return hashlib.sha256(joined).hexdigest()[:32]


def fallback_id(attacked: Targets, vector: str, moment: datetime) -> str:
    """The identity of repeated lines without an id: one incident per target, vector and minute."""
    return identity(*attacked.texts, vector, moment.replace(second=0, microsecond=0).isoformat())


def event_id(text: str) -> str:
    """A source's own id, hashed if it is too long."""
    return text if len(text) <= MAX_EVENT_ID_LENGTH else identity(text)
