"""Requests as text. Pure functions of what the API returns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

Shown = Mapping[str, Any]
"""A request as the API shows it."""
APPROVAL: Final = "It waits for the approval of a second person. Nothing is sent until then."
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def plain(text: object) -> str:
    """Without control characters: another person wrote it, and a terminal obeys them."""
    return _CONTROL.sub("?", str(text))


def status(word: object) -> str:
    return plain(word).replace("_", " ")


def target_texts(request: Shown) -> list[str]:
    """All targets, in one list; of a resource, its id."""
    shown = request["targets"]
    kinds = ("prefixes", "fqdns", "uris", "resources")
    return [plain(one) for kind in kinds for one in shown.get(kind, [])]


def table(requests: Sequence[Shown]) -> Iterator[str]:
    """One line per request, the columns aligned."""
    rows = [("ID", "STATUS", "SINCE", "TARGETS")] + [
        (
            plain(one["id"]),
            status(one["status"]),
            _minute(one["created_at"]),
            " ".join(target_texts(one)),
        )
        for one in requests
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        padded = [text.ljust(width) for text, width in zip(row, widths, strict=False)]
        yield "  ".join([*padded, row[3]]).rstrip()


def details(request: Shown) -> Iterator[str]:
    """A request with the part of each provider."""
    yield f"{plain(request['name'])}: {status(request['status'])}"
    yield f"  id: {plain(request['id'])}"
    yield f"  targets: {' '.join(target_texts(request))}"
    yield f"  requested: {_minute(request['created_at'])} by {plain(request['created_by'] or '-')}"
    yield f"  lifetime: {_lifetime(request['lifetime'])}"
    if request["reason"]:
        yield f"  reason: {plain(request['reason'])}"
    if request.get("responsible"):
        since = _minute(request["responsible_since"])
        yield f"  responsible: {plain(request['responsible'])}, since {since}"
    elif request.get("responsible_left"):
        yield f"  responsible: no one; {plain(request['responsible_left'])} left"
    if request["ended_at"]:
        yield f"  ended: {_minute(request['ended_at'])}"
    for mitigation in request["mitigations"]:
        yield f"  {plain(mitigation['provider'])}: {_mitigation(mitigation)}"
    if request["status"] == "awaiting_approval":
        yield APPROVAL


def note(written: Shown) -> str:
    """A note of several lines stays one entry."""
    text = "\n  ".join(map(plain, written["text"].split("\n")))
    return f"{_minute(written['at'])} {plain(written['by'])}: {text}"


def states(request: Shown) -> dict[str, str]:
    """What `changes` compares: the request's status, the responsible person, and each mitigation's
    status by its id.
    """
    found = {"": status(request["status"])}
    if request.get("responsible"):
        found["responsible"] = f"responsible: {plain(request['responsible'])}"
    elif request.get("responsible_left"):
        found["responsible"] = f"responsible: no one; {plain(request['responsible_left'])} left"
    for one in request["mitigations"]:
        found[str(one["id"])] = f"{plain(one['provider'])}: {_mitigation(one)}"
    return found


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """One line for each part that is new or different, the request first."""
    return [text for key, text in after.items() if before.get(key) != text]


def is_over(request: Shown) -> bool:
    return request["ended_at"] is not None or request["status"] == "declined"


def _mitigation(mitigation: Shown) -> str:
    said = status(mitigation["status"])
    refusal = mitigation["refusal"]
    return f"{said} ({plain(refusal['code'])} {plain(refusal['reason'])})" if refusal else said


def _lifetime(seconds: int) -> str:
    return "until terminated" if seconds == -1 else f"{seconds} s"


def _minute(time: str) -> str:
    """An instant of the API, to the minute; the API's times are UTC."""
    return f"{plain(time)[:16].replace('T', ' ')} UTC"
