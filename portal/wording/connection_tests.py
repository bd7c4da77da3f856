"""Sentences about a test of a connection: what each step found, where it failed, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from portal.connections.steps import (
    ConnectionResult,
    ConnectionStep,
    ShownCertificate,
    StepFailure,
    StepName,
    StepState,
)
from portal.core.formatting import ago, date, listed
from portal.wording.facts import Badge

TRANSPORTS: Final[Mapping[str, str]] = {"dtls": "DTLS over UDP", "tls": "TLS over TCP"}
STEPS: Final[Mapping[StepName, str]] = {
    StepName.NAME: "Name",
    StepName.ADDRESS: "Address",
    StepName.HANDSHAKE: "Handshake",
    StepName.CERTIFICATE: "The provider’s certificate",
    StepName.SESSION: "DOTS",
}
BADGES: Final[Mapping[StepState, Badge]] = {
    StepState.RUNNING: Badge("Running", "hourglass", "idle"),
    StepState.PASSED: Badge("Works", "disc-tick", "good"),
    StepState.FAILED: Badge("Failed", "octagon", "bad"),
}
WHY: Final[Mapping[StepFailure, str]] = {
    StepFailure.NO_ADDRESS: (
        "The name has no address. Ask the provider for the right name; if it is right, ask the "
        "portal’s operator about its name servers."
    ),
    StepFailure.NOTHING_LISTENS: (
        "The host answers, but no program listens at this port. Ask the provider for the port, and "
        "whether its service is running."
    ),
    StepFailure.SILENT: (
        "Nothing answers. A firewall on the way may drop the packets: ask the provider to allow "
        "the portal’s address, and the portal’s operator to allow this port."
    ),
    StepFailure.UNREACHABLE: (
        "The network does not reach this address. Ask the portal’s operator about its routes."
    ),
    StepFailure.UNFINISHED: (
        "It answered and then fell silent. Packets may be lost or too large on the way; try again."
    ),
    StepFailure.UNTRUSTED: (
        "The provider’s certificate is from an authority that the portal does not trust for it. "
        "Ask the provider which authority it uses, and portal staff to save its certificate."
    ),
    StepFailure.EXPIRED: "The provider’s certificate has expired. Only the provider can renew it.",
    StepFailure.NOT_YET_VALID: (
        "The provider’s certificate is not valid yet. Ask the provider; if its dates are right, "
        "the clock of the portal is wrong."
    ),
    StepFailure.WRONG_NAME: (
        "The provider’s certificate is for another name. Ask the provider for the name in it, and "
        "portal staff to save that name."
    ),
    StepFailure.BAD_CERTIFICATE: (
        "The provider’s certificate cannot be accepted. Send the provider the detail."
    ),
    StepFailure.REFUSED_CERTIFICATE: (
        "The provider refuses your certificate. Send it your certificate, or the request (CSR) "
        "that it was made from, and ask it to allow it."
    ),
    StepFailure.CUT_EARLY: (
        "The provider closed the connection before the session began. It may not know your "
        "certificate: ask the provider to allow it."
    ),
    StepFailure.NOT_DOTS: (
        "Something answers there, but it is no DOTS server. Ask the provider for the host and the "
        "port of its signal channel."
    ),
    StepFailure.NO_ANSWER: (
        "The session was opened, but the provider answers no request in it. Ask the provider what "
        "its log says about your certificate."
    ),
    StepFailure.OTHER: "It failed in another way. Send the provider the detail.",
    StepFailure.PORTAL_FAILED: (
        "The portal could not read the key: PORTAL_ENCRYPTION_KEYS lacks the key it was encrypted "
        "with. Tell the portal’s operator."
    ),
}
SLOW_AFTER: Final = timedelta(seconds=10)
"""A worker takes a test within seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeFacts:
    """What the headline of a test needs."""

    asked_at: datetime
    is_taken: bool
    is_over: bool
    result: str
    is_of_new_key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLine:
    """One step as a page shows it."""

    name: str
    badge: Badge
    found: str
    detail: str


def headline(facts: ProbeFacts, now: datetime) -> str:
    """The result and its age, or that it runs."""
    if not facts.is_over:
        if not facts.is_taken and now - facts.asked_at > SLOW_AFTER:
            return (
                "No part of the portal that talks to providers has taken the test yet. If this "
                "lasts, tell the portal’s operator."
            )
        return "Testing…"
    when = ago(facts.asked_at, now)
    what = "The new certificate" if facts.is_of_new_key else "The connection"
    match ConnectionResult(facts.result):
        case ConnectionResult.PASSED:
            return f"{what} worked, {when}."
        case ConnectionResult.FAILED:
            return f"{what} did not work, {when}."
        case ConnectionResult.LOST:
            return f"The test was lost, {when}: test again."


def lines(steps: Sequence[ConnectionStep]) -> list[StepLine]:
    return [
        StepLine(name=_name(one), badge=BADGES[one.state], found=found(one), detail=one.detail)
        for one in steps
    ]


def found(step: ConnectionStep) -> str:
    """What the step found, or why it failed and what to do."""
    if step.failure is not None:
        return WHY[step.failure]
    if step.state == StepState.RUNNING:
        return ""
    match step.step:
        case StepName.NAME:
            return f"{listed(step.addresses)}."
        case StepName.ADDRESS:
            return f"{step.peer} answers." if step.peer else "It answers."
        case StepName.HANDSHAKE:
            return f"{step.version}, {step.cipher}, in {step.took_ms} ms."
        case StepName.CERTIFICATE:
            return _certificate(step)
        case StepName.SESSION:
            return _session(step)


def _name(step: ConnectionStep) -> str:
    transport = TRANSPORTS.get(step.transport, "")
    return f"{STEPS[step.step]} ({transport})" if transport else STEPS[step.step]


def _certificate(step: ConnectionStep) -> str:
    names = f"For {listed(step.names)}." if step.names else "It has no names."
    return " ".join([names, *(_shown(one) for one in step.chain)])


def _shown(one: ShownCertificate) -> str:
    begins, ends = datetime.fromisoformat(one.begins), datetime.fromisoformat(one.ends)
    return f"{one.name}: valid from {date(begins)} to {date(ends)}."


def _session(step: ConnectionStep) -> str:
    answers = "It answers heartbeats and requests."
    if step.heartbeat_s is None:
        return answers
    return f"{answers} It wants a heartbeat every {step.heartbeat_s} s."
