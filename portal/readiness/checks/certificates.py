"""Checks of certificates: the client's own chain, and the authorities that the portal trusts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from portal.core.formatting import ago, ahead, date
from portal.providers.certificate_validity import Validity
from portal.readiness.checks.providers import ProviderFacts
from portal.readiness.rows import CheckCode, Found, Row, State

WARN_BEFORE_END: Final = timedelta(days=30)
"""Certificates that expire sooner should be replaced soon."""


def certificate(provider: ProviderFacts, now: datetime) -> Row:
    """The client's own chain: with an expired one the provider accepts nothing."""
    found = _own_chain(provider, now)
    return Row(
        code=CheckCode.CERTIFICATE,
        question=f"{provider.short} certificate",
        found=found,
        about=provider.id,
        link=provider.page if found.state == State.PASS else replace(provider.page, words="Renew"),
    )


def _own_chain(provider: ProviderFacts, now: datetime) -> Found:
    short = provider.short
    if not provider.chain:
        words = f"The portal cannot read it. {short} will not accept your requests."
        return Found(State.FAIL, words, f"the certificate for {short} cannot be read")
    late = max(provider.chain, key=lambda one: one.begins)
    if late.begins > now:
        words = f"{_which(provider, late)}not valid until {date(late.begins)}."
        return Found(State.FAIL, words, f"the certificate for {short} is not valid yet")
    first = min(provider.chain, key=lambda one: one.ends)
    subject = "" if first is provider.chain[0] else f"Its issuer’s certificate ({first.name}): "
    if first.ends <= now:
        words = (
            f"{subject}Expired on {date(first.ends)}, {ago(first.ends, now)}. "
            f"{short} does not accept requests with an expired certificate."
        )
        return Found(State.FAIL, words, f"the certificate for {short} has expired")
    left = ahead(first.ends, now)
    if first.ends - now <= WARN_BEFORE_END:
        words = (
            f"{subject}Expires {left}, on {date(first.ends)}. "
            f"After that {short} will not accept your requests."
        )
        return Found(State.WARN, words, f"{_possessive(short)} certificate expires {left}")
    return Found(State.PASS, f"{subject}Expires on {date(first.ends)}, {left}.")


def _which(provider: ProviderFacts, one: Validity) -> str:
    return "It is " if one is provider.chain[0] else f"Its issuer’s certificate ({one.name}) is "


def _possessive(name: str) -> str:
    return f"{name}’" if name.endswith("s") else f"{name}’s"


def trust(provider: ProviderFacts, now: datetime) -> Row:
    """The authorities by which the portal verifies the provider: without a valid one no new
    connection is possible.
    """
    return Row(
        code=CheckCode.TRUST,
        question=f"Trust anchor for {provider.short}",
        found=_anchors(provider, now),
        about=provider.id,
    )


def _anchors(provider: ProviderFacts, now: datetime) -> Found:
    short = provider.short
    if not provider.anchors:
        words = f"The portal cannot read its trust anchor for {short}."
        return Found(State.FAIL, words, f"the portal cannot verify {short}’s identity")
    last = max(provider.anchors, key=lambda one: one.ends)
    first = min(provider.anchors, key=lambda one: one.ends)
    if last.ends <= now:
        words = f"{last.name} expired on {date(last.ends)}. No new connection is possible."
        return Found(State.FAIL, words, f"the portal can no longer verify {short}’s identity")
    if first.ends <= now:
        words = (
            f"{first.name} expired on {date(first.ends)}; {last.name} is valid until "
            f"{date(last.ends)}."
        )
        return Found(State.WARN, words, f"a trust anchor for {short} has expired")
    left = ahead(first.ends, now)
    words = f"{first.name}, valid until {date(first.ends)}, {left}."
    if first.ends - now <= WARN_BEFORE_END:
        return Found(State.WARN, words, f"the trust anchor for {short} expires {left}")
    return Found(State.PASS, words)
