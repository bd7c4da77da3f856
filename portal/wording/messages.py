"""The meaning of a message as a sentence: a pure function of the message and its request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from portal.core.formatting import bit_rate, packet_rate, plural
from portal.mitigations.models import ProviderConflict
from portal.wire.models import Direction, Topic
from portal.wording.refusals import refusal_sentence

STATUSES: Final = {
    "attack-mitigation-in-progress": "setting up",
    "attack-successfully-mitigated": "mitigating",
    "attack-stopped": "the attack has stopped",
    "attack-exceeded-capability": "over capacity",
    "dots-client-withdrawn-mitigation": "winding down, as requested",
    "attack-mitigation-terminated": "terminated",
    "attack-mitigation-withdrawn": "it withdrew on its own",
    "attack-mitigation-signal-loss": "standby, starts when contact is lost",
}
CONFLICTS: Final = {
    "overlapping-targets": "Another request covers the same addresses.",
    "conflict-with-acceptlist": "It would block addresses on the accept list.",
    "cuid-collision": "Another client uses the same identity.",
    "request-rejected-legitimate-traffic": "It classified the traffic as legitimate.",
    "overlapping-pipes": "The link capacity it was given overlaps another client’s.",
}
BADGES: Final = {
    "under-attack": "is still under attack",
    "attack-successfully-mitigated": "sees the attack mitigated",
}
MAX_QUOTED: Final = 120
MAX_DIGITS: Final = 20
INDEFINITE: Final = -1

_SCOPE: Final = "ietf-dots-signal-channel:mitigation-scope"
_REDIRECTED: Final = "ietf-dots-signal-channel:redirected-signal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message, as its sentence needs it."""

    provider: str
    direction: str
    topic: str
    code: str
    method: str = ""
    "of the request, also for its response; empty if unknown"
    names_one: bool = False
    "it is about one mitigation"
    options: str = ""
    decoded: Any = None
    is_repeated: bool = False
    "the provider had confirmed the mitigation before"
    kind: str = ""
    count: int = 0


def meaning(said: Said) -> str:
    """A sentence without its full stop."""
    if said.direction == Direction.NOT_KEPT:
        return f"{plural(said.count, 'message')} before this could not be saved"
    if said.code == "0.00":
        return _empty(said)
    if said.topic == Topic.HEARTBEAT:
        return _heartbeat(said)
    if said.code.startswith("0."):
        return _request(said)
    if said.direction == Direction.SENT:
        return f"The portal answers (code {said.code})"
    return _response(said)


def reported_status(said: Said) -> str | None:
    """The reported status of one mitigation as text; "" for the poll that a report answers; None
    for other messages.

    Repeated reports of a status are one piece of news, however many messages they take.
    """
    if said.topic != Topic.MITIGATION or said.method != "GET" or not said.names_one:
        return None
    if said.direction == Direction.SENT:
        return "" if said.code == "0.01" and not _option(said.options, "Observe") else None
    if said.code == "2.03":
        return ""
    return _status(_scope(said.decoded).get("status")) if said.code == "2.05" else None


def repeated(said: Sequence[Said]) -> str:
    """The sentence of consecutive reports of the same status, newest first: how many, and the range
    of dropped traffic.
    """
    reports = [one for one in said if one.code == "2.05"]
    scopes = [_scope(one.decoded) for one in reports]
    rates = [rate for scope in scopes if (rate := _number(scope.get("bps-dropped")))]
    words = f"{said[0].provider} reports the same {plural(len(reports), 'time')}"
    words = f"{words}: {_status(scopes[0].get('status'))}"
    if not rates:
        return words
    low, high = bit_rate(min(rates)), bit_rate(max(rates))
    return f"{words}, {low if low == high else f'{low} to {high}'} dropped"


def _empty(said: Said) -> str:
    who, whom = ("The portal", said.provider)
    if said.direction == Direction.RECEIVED:
        who, whom = said.provider, "the portal"
    if said.kind == "RST":
        return f"{who} no longer expects this message"
    if said.kind == "ACK":
        return f"{who} received the message"
    return f"{who} asks whether {whom} is there"


def _heartbeat(said: Said) -> str:
    is_request = said.code.startswith("0.")
    if said.direction == Direction.SENT:
        if not is_request:
            return f"The portal answers {said.provider}’s heartbeat"
        return f"Heartbeat to {said.provider}"
    if is_request:
        hears = _first(said.decoded, "ietf-dots-signal-channel:heartbeat").get("peer-hb-status")
        deaf = ": it does not hear the portal’s" if hears is False else ""
        return f"Heartbeat from {said.provider}{deaf}"
    if said.code.startswith("2."):
        return f"{said.provider} answers the heartbeat"
    return f"{said.provider} rejects the heartbeat (code {said.code})"


def _request(said: Said) -> str:
    if said.direction == Direction.RECEIVED:
        return f"{said.provider} asks the portal something it cannot answer"
    if said.topic == Topic.MITIGATION:
        return _about_mitigation(said)
    asks = {
        "GET": f"Asks {said.provider} for the settings of the session",
        "PUT": f"Proposes settings of the session to {said.provider}",
        "DELETE": f"Asks {said.provider} to go back to its own settings of the session",
    }
    known = said.topic == Topic.SESSION and said.method in asks
    return asks[said.method] if known else f"Asks {said.provider} something"


def _about_mitigation(said: Said) -> str:
    whom, observe = said.provider, _option(said.options, "Observe")
    if said.method == "DELETE":
        return f"Asks {whom} to stop mitigation"
    if said.method == "GET":
        if not said.names_one:
            return f"Asks {whom} what it holds for this organization"
        if observe == "0":
            return f"Asks {whom} for the status, and for every change of it"
        if observe == "1":
            return f"Asks {whom} to send no more changes"
        return f"Asks {whom} for the status"
    scope = _scope(said.decoded)
    if "attack-status" in scope or _option(said.options, "If-Match"):
        badge = BADGES.get(str(scope.get("attack-status")), "has news of the attack")
        return f"Tells {whom} that the organization {badge}"
    length = _for(scope.get("lifetime"))
    if scope.get("trigger-mitigation") is False:
        return f"Asks {whom} to keep this in standby{length}"
    if said.is_repeated:
        return f"Asks {whom} to continue{length}"
    return f"Asks {whom} to start mitigation{length}"


def _response(said: Said) -> str:
    who = said.provider
    if said.code == "4.29":
        return f"{who} asks the portal to retry later" + _again(said)
    if said.code.startswith("4.") or (said.code.startswith("5.") and said.code != "5.03"):
        return _refusal(said)
    if said.code == "5.03":
        moved = _first(said.decoded, _REDIRECTED).get("alt-server")
        if isinstance(moved, str) and moved:
            return f"{who} sends the portal to its server {_quoted(moved)}"
        return f"{who} cannot answer now" + _again(said)
    if said.topic == Topic.MITIGATION:
        return _outcome(said)
    if said.topic == Topic.SESSION:
        return (
            f"{who} {'tells' if said.method == 'GET' else 'confirms'} the settings of the session"
        )
    return f"{who} answers (code {said.code})"


def _again(said: Said) -> str:
    wait = _option(said.options, "Max-Age")
    return f"; again in {wait}\u00a0s" if wait else ""


def _outcome(said: Said) -> str:
    who, scope = said.provider, _scope(said.decoded)
    if said.code == "2.02":
        return f"{who} confirms the stop request"
    if said.code == "2.03":
        return f"{who} reports nothing new"
    if said.code == "2.05":
        return (
            f"{who} reports: {_report(scope)}" if said.names_one else f"{who} lists what it holds"
        )
    length = _for(scope.get("lifetime"))
    conflict = _first(scope, "conflict-information")
    but = f", with a conflict: {_conflict_reason(conflict)}" if conflict else ""
    return f"{who} accepts{length}{but.rstrip('.')}"


def _report(scope: Mapping[str, Any]) -> str:
    words = _status(scope.get("status"))
    # Zero or unreported dropped traffic is not mentioned.
    dropped = bit_rate(_number(scope.get("bps-dropped")) or None)
    if not dropped:
        dropped = packet_rate(_number(scope.get("pps-dropped")) or None)
    return f"{words}, {dropped} dropped" if dropped else words


def _status(status: Any) -> str:
    number = _number(status)
    if number is not None:
        return f"status {number}, which the portal does not know"
    return STATUSES.get(str(status), "no status")


def _refusal(said: Said) -> str:
    reason = said.decoded if isinstance(said.decoded, str) else ""
    conflict = _first(_scope(said.decoded), "conflict-information")
    if said.code == "4.04" and said.method in ("GET", "DELETE") and said.topic == Topic.MITIGATION:
        return f"{said.provider} does not hold this request (code 4.04)"
    words = _conflict_reason(conflict) if conflict else ""
    sentence = refusal_sentence(
        said.provider,
        code=said.code,
        reason="" if words else _quoted(reason),
        conflict=ProviderConflict(reason=words) if words else None,
    )
    return f"{said.provider} refuses (code {said.code}): {_lowered(sentence, said.provider)}"


def _conflict_reason(conflict: Mapping[str, Any]) -> str:
    cause = conflict.get("conflict-cause")
    if (number := _number(cause)) is not None:
        return f"It gave conflict cause {number}, which the portal does not know."
    return CONFLICTS.get(str(cause), "It conflicts with another request.")


def _lowered(sentence: str, provider: str) -> str:
    text = sentence.rstrip(".")
    return text if text.startswith(provider) else text[:1].lower() + text[1:]


def _scope(decoded: Any) -> Mapping[str, Any]:
    """The first entry: a message about one mitigation has only one."""
    entries = _first(decoded, _SCOPE).get("scope")
    found = entries[0] if isinstance(entries, list) and entries else {}
    return found if isinstance(found, dict) else {}


def _first(decoded: Any, name: str) -> Mapping[str, Any]:
    """The first member, of which a peer may have made any type."""
    member = decoded.get(name) if isinstance(decoded, dict) else None
    if isinstance(member, list) and member:
        member = member[0]
    return member if isinstance(member, dict) else {}


def _for(lifetime_s: Any) -> str:
    number = _number(lifetime_s)
    if number is None:
        return ""
    return ", without an end" if number == INDEFINITE else f", for {number:,}\u00a0s"


def _number(value: Any) -> int | None:
    """64-bit numbers are text in JSON (RFC 7951)."""
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdecimal():
        return int(value) if len(value) <= MAX_DIGITS else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _option(options: str, name: str) -> str:
    """The value of an option in the client's words: "If-Match=empty, Observe=0"."""
    for option in options.split(", "):
        key, _, value = option.partition("=")
        if key == name:
            return value
    return ""


def _quoted(text: str) -> str:
    clean = " ".join(text.split())
    return clean if len(clean) <= MAX_QUOTED else f"{clean[:MAX_QUOTED]}…"
