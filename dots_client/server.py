"""What a DOTS server or gateway needs of this library. Do not import the modules behind it.

Sockets: `serve_dtls` and `serve_tls` accept sessions and pass every request to a `Site`. A session
is a `Remote`, which has the certificate of its peer. Codec: `decode_request` and the other decoders
of requests are strict and raise DecodeError; `encode_*` raise EncodeError. Session rules:
`Liveness` decides about heartbeats, `in_force` about the negotiated parameters. Gateways:
`Forwarding` sends a client's request to the next server. The values themselves (`Scope`,
`MitigationReport` and so on) and the errors are in `dots_client`. `dots_server` is a whole server
on top of this.
"""

from __future__ import annotations

from dots_client.client.forwarding import DEREGISTER, REGISTER, Forwarding
from dots_client.client.request_layer import Request as ForwardedRequest
from dots_client.codec import (
    HEARTBEAT_PATH,
    ConfigPath,
    Content,
    DotsPath,
    HeartbeatPath,
    MitigatePath,
    config_path,
    decode_config,
    decode_config_request,
    decode_efficacy,
    decode_heartbeat,
    decode_mitigations,
    decode_redirect,
    decode_request,
    encode_config,
    encode_config_report,
    encode_heartbeat,
    encode_redirect,
    encode_reports,
    encode_request,
    mitigate_path,
    parse_content,
    parse_path,
)
from dots_client.codec.keys import MITIGATION_SCOPE, STATUS_LABELS, UINT32, UINT64, cbor_key
from dots_client.codec.paths import CONFIG, HEARTBEAT, MITIGATE, PREFIX
from dots_client.codec.request_rules import fqdn_violation
from dots_client.rng import Rng
from dots_client.session import Liveness, LivenessParameters, SessionParameters, in_force
from dots_client.transport.coap import DOTS_CBOR, Site
from dots_client.transport.coap_server import ServerSettings
from dots_client.transport.dtls_server import DtlsServer, serve_dtls
from dots_client.transport.remote import Remote
from dots_client.transport.tls_server import TlsServer, serve_tls

__all__ = [
    "CONFIG",
    "DEREGISTER",
    "DOTS_CBOR",
    "HEARTBEAT",
    "HEARTBEAT_PATH",
    "MITIGATE",
    "MITIGATION_SCOPE",
    "PREFIX",
    "REGISTER",
    "STATUS_LABELS",
    "UINT32",
    "UINT64",
    "ConfigPath",
    "Content",
    "DotsPath",
    "DtlsServer",
    "ForwardedRequest",
    "Forwarding",
    "HeartbeatPath",
    "Liveness",
    "LivenessParameters",
    "MitigatePath",
    "Remote",
    "Rng",
    "ServerSettings",
    "SessionParameters",
    "Site",
    "TlsServer",
    "cbor_key",
    "config_path",
    "decode_config",
    "decode_config_request",
    "decode_efficacy",
    "decode_heartbeat",
    "decode_mitigations",
    "decode_redirect",
    "decode_request",
    "encode_config",
    "encode_config_report",
    "encode_heartbeat",
    "encode_redirect",
    "encode_reports",
    "encode_request",
    "fqdn_violation",
    "in_force",
    "mitigate_path",
    "parse_content",
    "parse_path",
    "serve_dtls",
    "serve_tls",
]
