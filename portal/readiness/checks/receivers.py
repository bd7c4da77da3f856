"""The check of receivers: someone would hear a notice now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portal.core.formatting import plural
from portal.readiness.rows import CheckCode, Found, Link, Row, State


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFacts:
    """One channel of the organization."""

    name: str
    is_enabled: bool
    is_failing: bool
    was_delivered: bool


def receivers(channels: Sequence[ChannelFacts], mailed: int, link: Link | None) -> Row:
    """`mailed`: members with an address, if the portal has a mail server."""
    working = [one for one in channels if one.is_enabled and one.was_delivered]
    working = [one for one in working if not one.is_failing]
    says = [f"Channels that deliver: {len(working)} of {len(channels)}."]
    says += [f"{one.name}: {_trouble(one)}." for one in channels if one not in working]
    says.append(f"{plural(mailed, 'member')} can get mail.")
    evidence = " ".join(says)
    found = Found(State.PASS, evidence)
    if not working and not mailed:
        found = Found(State.FAIL, evidence, "no one would hear a notice")
    elif len(working) < len(channels):
        broken = next(one for one in channels if one not in working)
        found = Found(State.WARN, evidence, f"the channel {broken.name} does not deliver")
    return Row(
        code=CheckCode.RECEIVERS, question="Would anyone hear it now?", found=found, link=link
    )


def _trouble(channel: ChannelFacts) -> str:
    if not channel.is_enabled:
        return "switched off"
    return "fails" if channel.is_failing else "not tried yet, so send a test"
