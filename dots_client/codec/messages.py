"""Between the model and bodies of application/dots+cbor.

`encode_*` raises EncodeError for everything that RFC 9132 forbids sending. `decode_request`,
`decode_efficacy` and `decode_config_request` are for servers, and strict. The other `decode_*` are
for clients, and tolerant: they leave out what they cannot read, and raise DecodeError only if the
body is not the expected message. Decoding raises nothing but DecodeError, whatever the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from dots_client.codec.cbor import Tree, join, pack
from dots_client.codec.keys import (
    HEARTBEAT_MESSAGE,
    MITIGATION_SCOPE,
    REDIRECTED_SIGNAL,
    SIGNAL_CONFIG,
    Sender,
)
from dots_client.codec.reader import unpack
from dots_client.codec.request_rules import Violation, fqdn_violation, is_address, tree_violations
from dots_client.codec.trees import (
    config_of,
    config_tree,
    report_of,
    report_tree,
    scope_of,
    scope_tree,
)
from dots_client.errors import DecodeError, EncodeError
from dots_client.model import Heartbeat, MitigationReport, RedirectedSignal, Scope, SignalConfig

SCOPE_PATH: Final = "mitigation-scope.scope"
MIN_HEARTBEAT_INTERVAL_S: Final = 15
"""RFC 9132 section 4.5.2; 0 turns heartbeats off."""
DEFAULT_HEARTBEAT_INTERVAL_S: Final = 30
DEFAULT_PROBING_RATE: Final = 5
HEARTBEAT_MESSAGE_BYTES: Final = 43
"""The size of a heartbeat as a CoAP message over UDP, with a token of eight bytes."""


def encode_request(scope: Scope) -> bytes:
    """The body of a mitigation request, refresh or efficacy update.

    RFC 9132 sections 4.4.1, 4.4.3.

    EncodeError names the attribute that breaks a rule.
    """
    tree = scope_tree(scope)
    body = pack({MITIGATION_SCOPE: {"scope": [tree]}}, sender=Sender.CLIENT)
    for violation in tree_violations(tree):
        raise EncodeError(_path_of(violation), violation.reason)
    return body


def decode_request(data: bytes) -> Scope:
    """Decode a mitigation request or refresh strictly, for a server (RFC 9132 section 4.4.1.3)."""
    tree = _request_tree(data, lifetime_is_mandatory=True)
    if "attack-status" in tree:
        raise DecodeError(
            f"{SCOPE_PATH}[0].attack-status", "belongs in efficacy updates, with If-Match"
        )
    return scope_of(tree)


def decode_efficacy(data: bytes, *, lifetime: int) -> Scope:
    """Decode an efficacy update strictly, for a server. `lifetime` is used if the body has none."""
    tree = _request_tree(data, lifetime_is_mandatory=False)
    if "attack-status" not in tree:
        raise DecodeError(f"{SCOPE_PATH}[0].attack-status", "is missing")
    return scope_of({"lifetime": lifetime, **tree})


def _request_tree(data: bytes, *, lifetime_is_mandatory: bool) -> Tree:
    entries = _member(unpack(data, sender=Sender.CLIENT), MITIGATION_SCOPE).get("scope", [])
    if len(entries) != 1:
        raise DecodeError(SCOPE_PATH, f"must have one entry, not {len(entries)}")
    tree: Tree = entries[0]
    for violation in tree_violations(tree, lifetime_is_mandatory=lifetime_is_mandatory):
        raise DecodeError(_path_of(violation), violation.reason)
    return tree


def _path_of(violation: Violation) -> str:
    return join(f"{SCOPE_PATH}[0]", violation.path) if violation.path else f"{SCOPE_PATH}[0]"


def encode_reports(reports: Iterable[MitigationReport]) -> bytes:
    """The body of a server's answer or notification (RFC 9132 section 4.4.2)."""
    entries = [report_tree(report) for report in reports]
    return pack({MITIGATION_SCOPE: {"scope": entries}}, sender=Sender.SERVER)


def decode_mitigations(data: bytes) -> tuple[MitigationReport, ...]:
    """The reports in a server's answer; empty if it has none."""
    body = unpack(data, sender=Sender.SERVER)
    if not body:
        return ()
    return tuple(report_of(entry) for entry in _answered(body, MITIGATION_SCOPE).get("scope", []))


def encode_config(config: SignalConfig) -> bytes:
    """The body of a client's PUT of the session configuration (RFC 9132 section 4.5.2).

    Raises EncodeError if there is no parameter, for a heartbeat-interval of 1-14 seconds, and for a
    probing-rate that is too low for heartbeats.
    """
    tree = config_tree(config)
    body = pack({SIGNAL_CONFIG: tree}, sender=Sender.CLIENT)
    _require_parameters(tree, EncodeError)
    for name, parameters in tree.items():
        interval = _current(parameters, "heartbeat-interval", DEFAULT_HEARTBEAT_INTERVAL_S)
        if 0 < interval < MIN_HEARTBEAT_INTERVAL_S:
            raise EncodeError(
                f"signal-config.{name}.heartbeat-interval",
                f"must be 0 or at least {MIN_HEARTBEAT_INTERVAL_S} seconds",
            )
        rate = _current(parameters, "probing-rate", DEFAULT_PROBING_RATE)
        if interval and interval * rate < HEARTBEAT_MESSAGE_BYTES:
            raise EncodeError(
                f"signal-config.{name}.probing-rate",
                f"does not let one heartbeat of {HEARTBEAT_MESSAGE_BYTES} bytes go out every "
                f"{interval} seconds",
            )
    return body


def _current(parameters: Tree, name: str, default: int) -> int:
    value: int = parameters.get(name, {"current-value": default})["current-value"]
    return value


def encode_config_report(config: SignalConfig) -> bytes:
    """The body of a server's answer to a GET of the session configuration."""
    return pack({SIGNAL_CONFIG: config_tree(config)}, sender=Sender.SERVER)


def decode_config(data: bytes) -> SignalConfig:
    """The configuration that a server reports. Swapped limits are corrected."""
    body = unpack(data, sender=Sender.SERVER)
    return config_of(_answered(body, SIGNAL_CONFIG)) if body else SignalConfig()


def decode_config_request(data: bytes) -> SignalConfig:
    """Decode the body of a configuration PUT strictly, for a server."""
    tree = _member(unpack(data, sender=Sender.CLIENT), SIGNAL_CONFIG)
    _require_parameters(tree, DecodeError)
    return config_of(tree)


def _require_parameters(tree: Tree, error: type[EncodeError] | type[DecodeError]) -> None:
    """Require at least one parameter (SC-077), each with a value."""
    if not any(tree.values()):
        raise error("signal-config", "needs at least one parameter")
    for set_name, parameters in tree.items():
        for name, values in parameters.items():
            if not values:
                raise error(f"signal-config.{set_name}.{name}", "has no current value")


def encode_heartbeat(heartbeat: Heartbeat) -> bytes:
    """The body of a heartbeat of either side, seven bytes (RFC 9132 section 4.7)."""
    return pack(
        {HEARTBEAT_MESSAGE: {"peer-hb-status": heartbeat.peer_hb_status}}, sender=Sender.CLIENT
    )


def decode_heartbeat(data: bytes) -> Heartbeat:
    """Decode a heartbeat of either side strictly, since it is a request."""
    tree = _member(unpack(data, sender=Sender.CLIENT), HEARTBEAT_MESSAGE)
    return Heartbeat(peer_hb_status=_mandatory(tree, "peer-hb-status", "heartbeat"))


def encode_redirect(redirect: RedirectedSignal) -> bytes:
    """The body of a 5.03 that redirects a client (RFC 9132 section 4.6)."""
    tree: Tree = {"alt-server": redirect.alt_server}
    if redirect.alt_server_record:
        tree["alt-server-record"] = list(redirect.alt_server_record)
    return pack({REDIRECTED_SIGNAL: tree}, sender=Sender.SERVER)


def decode_redirect(data: bytes) -> RedirectedSignal:
    """The alternate server of a 5.03.

    Raises DecodeError if the body gives neither a name nor an address.

    Records that are not addresses are left out.
    """
    tree = _answered(unpack(data, sender=Sender.SERVER), REDIRECTED_SIGNAL)
    alt_server = _mandatory(tree, "alt-server", "redirected-signal")
    if not is_address(alt_server) and (violation := fqdn_violation(alt_server)):
        raise DecodeError("redirected-signal.alt-server", violation.reason)
    records = tuple(filter(is_address, tree.get("alt-server-record", ())))
    return RedirectedSignal(alt_server=alt_server, alt_server_record=records)


def _answered(body: Tree, name: str) -> Tree:
    """The relevant member of a server's answer. Others are ignored."""
    return _member({name: body[name]} if name in body else body, name)


def _member(body: Tree, name: str) -> Tree:
    """The one member that the outermost map must have."""
    if set(body) != {name}:
        raise DecodeError("", f"the body must be one {join('', name)}")
    member: Tree = body[name]
    return member


def _mandatory(tree: Tree, name: str, path: str) -> Any:
    if name not in tree:
        raise DecodeError(join(path, name), "is missing")
    return tree[name]
