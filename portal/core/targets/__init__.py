"""Parse typed targets, ports and protocols into a normal form. Pure functions, shared by pages and
the API.

`read` turns text into a `Target` or raises `TargetError`: a code, its parameters and, if possible,
suggestions. `portal.core.wording.targets` has the sentences for them. An accepted target also
passes the rules of the DOTS client that sends it.
"""

from __future__ import annotations

from portal.core.targets.model import (
    MAX_PORT,
    MAX_SUGGESTED,
    MAX_TARGET_LENGTH,
    Code,
    Kind,
    PortRange,
    Suggestion,
    Target,
    TargetError,
    Targets,
)
from portal.core.targets.names import both_forms, former_name, normal_host
from portal.core.targets.networks import IPNetwork, contains, overlap
from portal.core.targets.one_target import (
    as_text,
    classify,
    normal_uri,
    parse_fqdn,
    parse_prefix,
    parse_target,
    parse_uri,
    read,
    why_not,
)
from portal.core.targets.pasted_list import Piece, split
from portal.core.targets.ports_and_protocols import (
    PROTOCOL_NAMES,
    protocol_number,
    read_ports,
    split_ports,
)
from portal.core.targets.reported import ReportedTargets
from portal.core.targets.territory import Territory
from portal.core.targets.text import MAX_TYPED_LENGTH, shown, visible
from portal.core.targets.uris import uri_host, uri_network

__all__ = [
    "MAX_PORT",
    "MAX_SUGGESTED",
    "MAX_TARGET_LENGTH",
    "MAX_TYPED_LENGTH",
    "PROTOCOL_NAMES",
    "Code",
    "IPNetwork",
    "Kind",
    "Piece",
    "PortRange",
    "ReportedTargets",
    "Suggestion",
    "Target",
    "TargetError",
    "Targets",
    "Territory",
    "as_text",
    "both_forms",
    "classify",
    "contains",
    "former_name",
    "normal_host",
    "normal_uri",
    "overlap",
    "parse_fqdn",
    "parse_prefix",
    "parse_target",
    "parse_uri",
    "protocol_number",
    "read",
    "read_ports",
    "shown",
    "split",
    "split_ports",
    "uri_host",
    "uri_network",
    "visible",
    "why_not",
]
