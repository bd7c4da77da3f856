"""Checks of each provider: it exists, it is connected, both sides can authenticate, and it can be
called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from portal.core.formatting import NBSP, ago, dialable, duration, listed, since
from portal.mitigations.states import STALE_AFTER, UNAUTHORIZED_CODES
from portal.providers.certificate_validity import Validity
from portal.providers.models import PendingChange
from portal.providers.wording import ignored_redirection, old_settings, still_connected
from portal.readiness.rows import CheckCode, Destination, Found, Link, Row, State
from portal.wording import Session, session_sentence
from portal.wording.refusals import gateways

OVER: Final = {"dtls": "UDP", "tls": "TCP"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFacts:
    """What the portal knows about one provider of an organization."""

    id: str
    name: str
    short: str
    phone: str
    session: Session
    transport: str
    "transport of the session: dtls or tls"
    transports: Sequence[str]
    "what may be used"
    worked: Mapping[str, datetime | None] = field(default_factory=dict)
    "when each transport last worked"
    has_worker: bool
    "a running signal worker manages the connection"
    chain: Sequence[Validity]
    "the client's certificates, its own first"
    anchors: Sequence[Validity]
    page: Link
    "its page in the settings"
    loop: Loop | None = None
    "the last request to it looped"
    beside: Beside | None = None
    "the unknown mitigations it holds"
    untold: str = ""
    "a sentence on why the portal does not know whether it holds any"
    pending_change: PendingChange | None = None
    "settings that the current session does not use yet"
    refusal: str = ""
    "the code with which it refuses heartbeats on the current session; empty if it accepts them"
    redirection_ignored: str = ""
    "why the portal ignored its redirection on the current session; empty if it ignored none"


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop, with the gateways in the order in which they passed the request on."""

    gateways: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Beside:
    """The unknown mitigations of a provider."""

    words: str
    "a sentence about the first, and how many more there are"
    link: Link


def suspended(organization: str, sentence: str) -> Row:
    """The row of an organization that staff suspended: it cannot ask for anything new."""
    return Row(
        code=CheckCode.SUSPENDED,
        question="Not suspended",
        found=Found(State.FAIL, sentence, f"{organization} is suspended"),
    )


def subscribed(organization: str) -> Row:
    """The row of an organization that has no provider."""
    return Row(
        code=CheckCode.SUBSCRIBED,
        question="At least one provider",
        found=Found(
            State.FAIL,
            f"{organization} has no provider. An admin connects one under Settings.",
            "there is no provider to ask",
        ),
        link=Link("Connect one", Destination.PROVIDERS),
    )


def signal_worker(
    providers: Sequence[ProviderFacts], seen_at: datetime | None, now: datetime
) -> Row:
    """`seen_at`: when a signal worker last reported."""
    left = [one.short for one in providers if not one.has_worker]
    if not left:
        words = f"It is managing {_whose([one.short for one in providers])}."
        sign = f" Last sign of life {ago(seen_at, now)}." if seen_at else ""
        found = Found(State.PASS, words + sign)
    else:
        found = Found(
            State.FAIL,
            f"No signal worker is managing {_whose(left)}. The portal’s operator must restart it.",
            f"no signal worker is managing {_whose(left)}",
        )
    return Row(code=CheckCode.KEPT, question="Signal worker", found=found)


def _whose(names: Sequence[str]) -> str:
    return f"the connection{'' if len(names) == 1 else 's'} to {listed(names)}"


def session(provider: ProviderFacts, now: datetime) -> Row:
    found = _connected(provider, now)
    return Row(
        code=CheckCode.SESSION,
        question=provider.name,
        found=found,
        about=provider.id,
        link=_call(provider) or provider.page if found.state != State.PASS else provider.page,
    )


def loop(provider: ProviderFacts, now: datetime) -> Row | None:
    """Only if the last request looped: an established connection does not prove the path
    behind it.
    """
    if provider.loop is None:
        return None
    short = provider.short
    return Row(
        code=CheckCode.LOOP,
        question=f"Path to {short}",
        found=Found(
            State.FAIL,
            f"The last request, {ago(provider.loop.at, now)}, did not reach "
            f"{short}: it looped through "
            f"{gateways(provider.loop.gateways)}. Their operators must fix this. A drill "
            f"shows whether they have.",
            f"requests do not reach {short}",
        ),
        about=provider.id,
        link=_call(provider),
    )


def inventory(provider: ProviderFacts) -> Row | None:
    """A row only if a provider holds an unknown mitigation, which no request manages."""
    if provider.beside is None:
        return None
    return Row(
        code=CheckCode.INVENTORY,
        question=f"What {provider.short} holds",
        found=Found(
            State.WARN,
            provider.beside.words,
            f"{provider.short} holds a mitigation that no request here asked for",
        ),
        about=provider.id,
        link=provider.beside.link,
    )


def _connected(provider: ProviderFacts, now: datetime) -> Found:
    known, short = provider.session, provider.short
    if known.state != "up":
        return Found(State.FAIL, session_sentence(known, now), f"{short} is not connected")
    if not provider.has_worker:
        heard = f" Last heard {ago(known.last_heard_at, now)}." if known.last_heard_at else ""
        words = f"No signal worker is managing this connection.{heard}"
        return Found(State.FAIL, words, f"{short} is not connected")
    if provider.refusal:
        return _refused(provider, now)
    change = provider.pending_change
    before = [still_connected(change, now)] if change else []
    others = _other_transports(provider, now)
    first = _since_when(provider, now)
    if known.last_heard_at is not None and now - known.last_heard_at > STALE_AFTER:
        silent = duration((now - known.last_heard_at).total_seconds())
        words = f"{first}, but nothing heard for {silent}; usual when the link is full."
        evidence = " ".join([words, *before, *others])
        return Found(State.WARN, evidence, f"{short} has been silent for a while")
    last = [f"Last heard {ago(known.last_heard_at, now)}."] if known.last_heard_at else []
    untold = [provider.untold] if provider.untold else []
    evidence = " ".join([f"{first}.", *last, *before, *others, *untold])
    if provider.redirection_ignored:
        evidence += f" {ignored_redirection(short, provider.redirection_ignored)}"
        return Found(
            State.WARN, evidence, f"{short} redirects the portal to an address it does not follow"
        )
    if change:
        # The protection lasts until this connection ends: the next one would use the settings that
        # do not work.
        clause = f"{short} is still connected with {old_settings(change)}"
        return Found(State.WARN, evidence, clause)
    return Found(State.PASS, evidence)


def _refused(provider: ProviderFacts, now: datetime) -> Found:
    """The session works, but the server refuses what the portal sends over it."""
    short, code = provider.short, provider.refusal
    words = f"{_since_when(provider, now)}, but {short} refuses the portal’s messages. "
    if code in UNAUTHORIZED_CODES:
        words += (
            f"{short} does not know the portal’s certificate (code {code}): it will refuse "
            f"requests too."
        )
        return Found(State.FAIL, words, f"{short} does not know the portal’s certificate")
    words += f"It answers heartbeats with code {code}."
    return Found(State.WARN, words, f"{short} refuses the portal’s heartbeats")


def _since_when(provider: ProviderFacts, now: datetime) -> str:
    known = provider.session
    over = OVER.get(provider.transport, "")
    from_when = since(known.since, now)
    over_words = f" over {over}" if over else ""
    return f"Connected{over_words}" + (f" since {from_when}" if from_when else "")


def _other_transports(provider: ProviderFacts, now: datetime) -> list[str]:
    words = []
    for name in provider.transports:
        at = provider.worked.get(name)
        if name == provider.transport or name not in OVER:
            continue
        words.append(
            f"{OVER[name]} last worked {_when(at, now)}."
            if at is not None
            else f"{OVER[name]} has not been used yet."
        )
    return words


def _when(at: datetime, now: datetime) -> str:
    """ "at 03:11:40", "at 04:10 yesterday", "on 3 October" """
    words = since(at, now)
    return f"at {words}" if ":" in words else f"on {words}"


def phone(providers: Sequence[ProviderFacts]) -> Row:
    without = [one.short for one in providers if not one.phone.strip()]
    known = [
        f"{one.short} {one.phone.replace(' ', NBSP)}" for one in providers if one.phone.strip()
    ]
    state, clause, parts = State.PASS, "", [f"{', '.join(known)}."] if known else []
    if without:
        state, clause = State.WARN, f"no phone number for {listed(without)}"
        parts.append(f"No phone number for {listed(without)}. Portal staff can add it.")
    return Row(
        code=CheckCode.PHONE,
        question="Phone numbers",
        found=Found(state, " ".join(parts), clause),
    )


def _call(provider: ProviderFacts) -> Link | None:
    number = dialable(provider.phone)
    return Link(f"Call {number}", Destination.CALL, number) if number else None
