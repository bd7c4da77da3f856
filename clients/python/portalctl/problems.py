"""The words for an answer that refuses: application/problem+json (RFC 9457). Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from portalctl.errors import CommandError, RefusedError, UnreachableError
from portalctl.formatting import plain
from portalctl.web import Answer

AWAY: Final = (502, 503, 504)
"""The portal, or what is in front of it, says that it is not there now."""
ARGUMENTS: Final = {
    "lifetime": "--lifetime",
    "reason": "--reason",
    "replaces": "--replace",
    "status": "--status",
    "limit": "--limit",
    "text": "TEXT",
    "preview": "--preview",
    "otp": "the code",
}


def error_of(answer: Answer, targets: Mapping[str, Sequence[str]] | None = None) -> CommandError:
    """The error for an answer other than 2xx. `targets`: what was sent, by the API's lists."""
    problem = _problem(answer.body)
    if problem is None:
        said = f"The portal answered {answer.status} without a reason that this program can read."
    else:
        said = "\n".join(map(plain, lines(problem, targets or {}, answer.retry_after_s)))
    if answer.status in AWAY:
        return UnreachableError(said)
    return RefusedError(said, problem)


def lines(
    problem: Mapping[str, Any], targets: Mapping[str, Sequence[str]], retry_after_s: int | None
) -> Iterator[str]:
    """What to print, the summary first."""
    yield str(problem.get("detail") or problem.get("title") or "The portal refused this.")
    for error in _objects(problem.get("errors")):
        message = error.get("message", "")
        if message != problem.get("detail") or error.get("field"):
            yield f"  {argument_of(str(error.get('field', '')), targets)}: {message}"
        for fix in _objects(error.get("fixes")):
            value = fix.get("value")
            yield f"    write instead: {value}" if value else "    or leave it out"
    yield from _conflict(problem)
    if retry_after_s:
        yield f"Try again in {retry_after_s} s."


def _conflict(problem: Mapping[str, Any]) -> Iterator[str]:
    code = str(problem.get("code", ""))
    if code == "would-replace":
        replaced = _objects(problem.get("replaces"))
        for one in replaced:
            providers = ", ".join(map(str, one.get("providers") or []))
            yield f"  {_id(one)}  {one.get('name')}, at {providers}"
        ids = " ".join(f"--replace {_id(one)}" for one in replaced)
        yield f"To replace them, repeat the command with {ids}"
    elif code.startswith("quota-"):
        counts = ", ".join(
            f"{word} {problem[word]}" for word in ("limit", "live", "ending") if word in problem
        )
        yield f"  {counts}"
    elif code == "preview-changed":
        yield "  It would now send:"
        yield from (f"    {line}" for line in problem.get("after") or [])
        yield f"To approve that, repeat the command with --preview {problem.get('preview')}"
    elif code == "not-signed-in":
        yield "The token has ended, or this portal does not know it. Run: portalctl sign-in"


def argument_of(field: str, targets: Mapping[str, Sequence[str]]) -> str:
    """The argument that a field of the call was made from: the target itself, or an option."""
    parts = field.split(".")
    if parts[0] == "targets":
        listed = targets.get(parts[1], ()) if len(parts) > 1 else ()
        index = int(parts[2]) if len(parts) > 2 and parts[2].isdecimal() else None
        return listed[index] if index is not None and index < len(listed) else "TARGET"
    return ARGUMENTS.get(parts[0], field or "the request")


def _id(one: Mapping[str, Any]) -> str:
    return str(one.get("request") or one.get("unknown_mitigation"))


def _objects(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _problem(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "code" in found else None
