"""Between the model and application/dots+cbor, JSON and Uri-Path; pure."""

from __future__ import annotations

from dots_client.codec.json_view import from_json, to_json
from dots_client.codec.messages import (
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
)
from dots_client.codec.paths import (
    HEARTBEAT_PATH,
    ConfigPath,
    Content,
    DotsPath,
    HeartbeatPath,
    MitigatePath,
    config_path,
    mitigate_path,
    parse_content,
    parse_path,
)
from dots_client.codec.reader import not_read_of
from dots_client.codec.split import request_bytes, request_overhead_bytes, split

__all__ = [
    "HEARTBEAT_PATH",
    "ConfigPath",
    "Content",
    "DotsPath",
    "HeartbeatPath",
    "MitigatePath",
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
    "from_json",
    "mitigate_path",
    "not_read_of",
    "parse_content",
    "parse_path",
    "request_bytes",
    "request_overhead_bytes",
    "split",
    "to_json",
]
