"""Clauses for why a provider was asked, and why policy withdrew one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from portal.core.formatting import listed
from portal.mitigations.causes import FAILOVER_CAUSES, Cause, WithdrawnCause

_CLAUSES: Final = {
    Cause.BY_HAND: "",
    Cause.HELD_AGAIN: "",
    Cause.REFUSED: "{provider} refused",
    Cause.EXCEEDED: "{provider} is over capacity",
    Cause.WITHDREW: "{provider} stopped on its own",
    Cause.SILENT: "{provider} did not answer",
    Cause.TOLD_TO_WAIT: "{asker} asked the portal to retry later",
    Cause.LOOPED: "the request did not reach {provider}",
    Cause.NOT_SENDABLE: "the portal could not send it to {provider}",
    Cause.NOT_SAVED: "the portal could not save what {provider} answered",
}


def asked_because(cause: Cause, *, provider: str = "", gateway: str = "", text: str = "") -> str:
    """A clause without a full stop; empty if the request itself or a person asked.

    `provider`: the short name of the provider that did not help; empty if unknown. `gateway`: the
    gateway that may have answered for it. `text`: the text of an earlier release, used if the cause
    or the provider is unknown.
    """
    if cause in (Cause.FIRST, Cause.OTHER) or (cause in FAILOVER_CAUSES and not provider):
        return text
    asker = f"gateway {gateway}" if gateway else provider
    return _CLAUSES[cause].format(provider=provider, asker=asker)


def withdrawn_because(
    cause: WithdrawnCause | None, providers: Sequence[str], *, text: str = ""
) -> str:
    """A clause without a full stop; empty if policy withdrew no provider.

    `providers`: those that filter instead.
    """
    if cause != WithdrawnCause.EARLIER_FILTERS or not providers:
        return text
    verb = "reports that it is" if len(providers) == 1 else "report that they are"
    return f"{listed(providers)} {verb} filtering"
