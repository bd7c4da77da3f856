"""Ports and protocols as text."""

from __future__ import annotations

from collections.abc import Sequence

from portal.core.targets import PROTOCOL_NAMES, PortRange
from portal.core.wording.targets import port_text


def traffic_words(ports: Sequence[PortRange], protocols: Sequence[int]) -> str:
    """ "TCP and UDP, ports 80 and 443–8080"; "Any" without a limit."""
    names = " and ".join(PROTOCOL_NAMES.get(one, f"protocol {one}") for one in protocols)
    spans = list(map(port_text, ports))
    if not spans:
        return names or "Any"
    numbers = f"port{'s' if len(spans) > 1 or '–' in spans[0] else ''} {', '.join(spans)}"
    return f"{names}, {numbers}" if names else f"Any protocol, {numbers}"


def traffic_part(ports: Sequence[PortRange], protocols: Sequence[int]) -> str:
    """Ports and protocols inside a sentence: "TCP, port 443", "any protocol, port 443"."""
    words = traffic_words(ports, protocols)
    return f"{words[:1].lower()}{words[1:]}" if not protocols else words
