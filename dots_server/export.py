"""The register as a value that another process can restore, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Final

from dots_client import (
    AttackStatus,
    ConflictInformation,
    DotsError,
    MitigationReport,
    MitigationStatus,
    from_json,
    to_json,
)
from dots_client.server import decode_mitigations, decode_request, encode_reports, encode_request
from dots_server.mitigation import Mitigation
from dots_server.register import Register

VERSION: Final = 1
"""Version of the JSON. A change that older servers cannot read increases it."""


class ExportError(ValueError):
    """The JSON is not an export that this server can read; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterExport:
    """The state that a server needs after a restart. Times are seconds since 1970-01-01 UTC."""

    exported_at: float
    cuid_owners: Mapping[str, str]
    "client by cuid"
    silence_allowed_s: Mapping[str, float]
    "by client: after how many seconds without a message its signal counts as lost"
    mitigations: tuple[Mitigation, ...]
    "copies, which do not change with the server's own"

    def as_json(self) -> dict[str, Any]:
        """Scopes and conflicts have the names of RFC 9132."""
        return {
            "version": VERSION,
            "exported_at": self.exported_at,
            "cuid_owners": dict(self.cuid_owners),
            "silence_allowed_s": dict(self.silence_allowed_s),
            "mitigations": [_mitigation_json(held) for held in self.mitigations],
        }

    @classmethod
    def from_json(cls, value: Any) -> RegisterExport:
        """ExportError for anything that `as_json` does not return."""
        if not isinstance(value, dict):
            raise ExportError("an export is a JSON object")
        if value.get("version") != VERSION:
            raise ExportError(
                f"the version is {value.get('version')!r}, this server reads {VERSION}"
            )
        try:
            return cls(
                exported_at=_number(value["exported_at"]),
                cuid_owners={
                    _text(cuid): _text(name) for cuid, name in value["cuid_owners"].items()
                },
                silence_allowed_s={
                    _text(name): _number(silence_s)
                    for name, silence_s in value["silence_allowed_s"].items()
                },
                mitigations=tuple(_mitigation_of(entry) for entry in value["mitigations"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError, DotsError) as error:
            raise ExportError(f"the export cannot be read: {error!r}") from error


def exported(
    register: Register, silence_allowed_s: Mapping[str, float], *, now: float
) -> RegisterExport:
    return RegisterExport(
        exported_at=now,
        cuid_owners=register.cuid_owners,
        silence_allowed_s=silence_allowed_s,
        mitigations=tuple(replace(held) for held in register),
    )


_COPIED: Final = (
    *("client", "cuid", "mid", "received_at", "status_since", "expires_at", "started_at"),
    *("terminating_factor", "end_reports"),
)


def _mitigation_json(held: Mitigation) -> dict[str, Any]:
    return {
        **{name: getattr(held, name) for name in _COPIED},
        "status": int(held.status),
        "efficacy": None if held.efficacy is None else int(held.efficacy),
        "scope": to_json(encode_request(held.scope)),
        "conflict": None if held.conflict is None else _conflict_json(held.conflict),
    }


def _mitigation_of(value: Any) -> Mitigation:
    efficacy, conflict = value["efficacy"], value["conflict"]
    return Mitigation(
        client=_text(value["client"]),
        cuid=_text(value["cuid"]),
        mid=_whole(value["mid"]),
        scope=decode_request(from_json(value["scope"])),
        received_at=_number(value["received_at"]),
        status=MitigationStatus(value["status"]),
        status_since=_number(value["status_since"]),
        expires_at=_time(value["expires_at"]),
        started_at=_time(value["started_at"]),
        conflict=None if conflict is None else _conflict_of(conflict),
        terminating_factor=_whole(value["terminating_factor"]),
        end_reports=_whole(value["end_reports"]),
        efficacy=None if efficacy is None else AttackStatus(efficacy),
    )


def _conflict_json(conflict: ConflictInformation) -> Any:
    return to_json(encode_reports([MitigationReport(conflict=conflict)]))


def _conflict_of(value: Any) -> ConflictInformation:
    conflicts: Iterable[ConflictInformation | None] = (
        report.conflict for report in decode_mitigations(from_json(value))
    )
    conflict = next(iter(conflicts), None)
    if conflict is None:
        raise ValueError("a conflict has no conflict-information")
    return conflict


def _time(value: Any) -> float | None:
    return None if value is None else _number(value)


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not isfinite(value):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is not a whole number")
    return value
