"""How the simulated provider behaves; the control interface changes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_address
from typing import Any, Final

from dots_client.server import UINT32
from dots_server.mitigation import MAX_TERMINATING_S
from dots_server.terms import Terms
from provider_simulator.odd_reports import ODD_REPORTS

ACCEPT_MODES: Final = ("always", "refuse", "silent")
REFUSE_CODES: Final = (
    *("4.00", "4.01", "4.03", "4.09", "4.13", "4.22", "4.29"),
    *("5.00", "5.01", "5.03"),
)
POLL_CODES: Final = (*REFUSE_CODES, "4.04", "4.05")
"""4.04 also says that the mitigation is gone."""


class BehaviourError(Exception):
    """An invalid change of behaviour; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour(Terms):
    """Everything that can be changed while the provider runs."""

    accept: str = "always"
    "`always`, `refuse` new mitigations, or stay `silent` on all mitigation requests"
    refuse_code: str = "4.00"
    refuse_reason: str = "refused by the operator"
    capability_bps: float | None = None
    "bytes of attack per second one mitigation can take; null: any"
    attack_ends_after_s: float | None = None
    "null: never"
    status_delay_s: float = 2.0
    "from acceptance to mitigating"
    loss: float = 0.0
    "share of datagrams lost, each way"
    redirect_to: str | None = None
    "name of an alternate server, with addresses after it: `alt.example 192.0.2.7`"
    redirect_ttl_s: int = 3600
    rejects_redirected: bool = False
    """answer 4.03 to a client that sends other requests within `redirect_ttl_s` instead of
    following the redirection"""
    hop_loop: str | None = None
    "names of gateways: mitigation requests end in 5.08, as after a loop through these"
    rearms_on_put: bool = False
    """a PUT with trigger-mitigation false stops and rearms what a lost session started (go-dots;
    against RFC 9132 section 4.4.4)"""
    keeps_preconfigured: bool = False
    """answer 2.02 to the DELETE of an armed preconfigured mitigation but keep it until its lifetime
    ends (go-dots)"""
    poll_code: str | None = None
    "answer every GET of mitigations with this code; null: answer with their status"
    odd_report: str | None = None
    "what is wrong with one attribute of every report; null: nothing"
    ignored_mid: int | None = None
    "a mid whose messages are never answered; null: none"
    floods_per_s: float = 0.0
    """notifications a second, over all observations, whose statuses alternate between 2 and 4,
    whatever the round trip (against RFC 9132 section 4.4.2.1); 0: none"""

    def changed(self, changes: Any) -> Behaviour:
        """This behaviour with `changes` from the control interface."""
        if not isinstance(changes, Mapping):
            raise BehaviourError("the body must be a JSON object")
        for name, value in changes.items():
            check = _CHECKS.get(name)
            if check is None:
                raise BehaviourError(f"{name!r} is not one of {', '.join(_CHECKS)}")
            if not check.holds(value):
                raise BehaviourError(f"{name} must be {check.in_words}, not {value!r}")
        return replace(self, **changes)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Check:
    in_words: str
    holds: Callable[[Any], bool]


def _is_number(value: Any, minimum: float, maximum: float) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and minimum <= value <= maximum
    )


def _number(minimum: float, maximum: float = 1e18, *, or_null: bool = False) -> _Check:
    limits = f"from {minimum:g} to {maximum:g}" if maximum < 1e18 else f"of at least {minimum:g}"
    return _Check(
        f"a number {limits}{' or null' if or_null else ''}",
        lambda value: (or_null and value is None) or _is_number(value, minimum, maximum),
    )


def _whole(minimum: int, maximum: int) -> _Check:
    return _Check(
        f"a whole number from {minimum} to {maximum}",
        lambda value: isinstance(value, int) and _is_number(value, minimum, maximum),
    )


def _one_of(words: tuple[str, ...]) -> _Check:
    return _Check(f"one of {', '.join(words)}", lambda value: value in words)


def _redirects(value: Any) -> bool:
    if value is None:
        return True
    if not isinstance(value, str) or not value.split():
        return False
    try:
        return all(map(ip_address, value.split()[1:]))
    except ValueError:
        return False


_BOOLEAN: Final = _Check("true or false", lambda value: isinstance(value, bool))
_CHECKS: Final[Mapping[str, _Check]] = {
    "accept": _one_of(ACCEPT_MODES),
    "refuse_code": _one_of(REFUSE_CODES),
    "refuse_reason": _Check("text", lambda value: isinstance(value, str)),
    "retry_after_s": _whole(0, UINT32),
    "capability_bps": _number(0, or_null=True),
    "attack_ends_after_s": _number(0, or_null=True),
    "status_delay_s": _number(0),
    "loss": _number(0, 1),
    "notify": _BOOLEAN,
    "notify_interval_s": _number(0.05),
    "terminating_s": _number(0, MAX_TERMINATING_S),
    "max_lifetime_s": _whole(1, UINT32),
    "may_be_indefinite": _BOOLEAN,
    "heartbeats": _BOOLEAN,
    "max_requests_per_s": _number(0.1, or_null=True),
    "redirect_to": _Check("a server name, maybe with IP addresses after it, or null", _redirects),
    "redirect_ttl_s": _whole(0, UINT32),
    "rejects_redirected": _BOOLEAN,
    "hop_loop": _Check(
        "names of gateways or null",
        lambda value: value is None or (isinstance(value, str) and bool(value.split())),
    ),
    "rearms_on_put": _BOOLEAN,
    "keeps_preconfigured": _BOOLEAN,
    "poll_code": _Check(
        f"one of {', '.join(POLL_CODES)} or null",
        lambda value: value is None or value in POLL_CODES,
    ),
    "odd_report": _Check(
        f"one of {', '.join(ODD_REPORTS)} or null",
        lambda value: value is None or (isinstance(value, str) and value in ODD_REPORTS),
    ),
    "floods_per_s": _number(0, 5000),
    "ignored_mid": _Check(
        f"a whole number from 0 to {UINT32} or null",
        lambda value: value is None or (isinstance(value, int) and _is_number(value, 0, UINT32)),
    ),
}
