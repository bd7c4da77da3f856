"""What a mitigation request may contain (RFC 9132 section 4.4.1.1); pure.

`Client.request()` sends what `encode_request` encodes, if it fits one message. A program that
accepts requests from people checks them here first, so that it never accepts one that cannot be
sent.
"""

from __future__ import annotations

from dots_client.codec.messages import encode_request
from dots_client.codec.request_rules import (
    Rule,
    Violation,
    forbidden_networks,
    fqdn_violation,
    prefix_violation,
    tree_violations,
    uri_violation,
)
from dots_client.codec.split import request_bytes, request_overhead_bytes
from dots_client.codec.trees import scope_tree
from dots_client.errors import EncodeError
from dots_client.model import PortRange, Scope, Targets

__all__ = [
    "EncodeError",
    "PortRange",
    "Rule",
    "Scope",
    "Targets",
    "Violation",
    "encode_request",
    "forbidden_networks",
    "fqdn_violation",
    "prefix_violation",
    "request_bytes",
    "request_overhead_bytes",
    "uri_violation",
    "violations",
]


def violations(scope: Scope) -> tuple[Violation, ...]:
    """Every violation of a rule in `scope`; empty for every scope that `encode_request` encodes.

    Only the encoder checks types and ranges, such as a port of 65536.
    """
    return tuple(tree_violations(scope_tree(scope)))
