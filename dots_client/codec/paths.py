"""Uri-Path of the DOTS operations (RFC 9132 section 4.4.1.1, Table 1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from dots_client.codec.keys import UINT32
from dots_client.errors import DecodeError, EncodeError

PREFIX: Final = (".well-known", "dots")
MITIGATE: Final = "mitigate"
CONFIG: Final = "config"
HEARTBEAT: Final = "hb"
HEARTBEAT_PATH: Final = (*PREFIX, HEARTBEAT)

MAX_SEGMENT_BYTES: Final = 255
"""Uri-Path is 0-255 bytes long (RFC 7252 section 5.10)."""

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MitigatePath:
    """`/mitigate/[cdid=…/]cuid=…[/mid=…]`"""

    cuid: str
    mid: int | None = None
    cdid: str | None = None
    "only gateways of the server's domain insert it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigPath:
    """`/config[/sid=…]`"""

    sid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatPath:
    """`/hb`"""


DotsPath = MitigatePath | ConfigPath | HeartbeatPath


class Content(Enum):
    """The Uri-Query `c` of a GET: which attributes the client wants (RFC 9132 section 4.4.2)."""

    CONFIGURATION = "c"
    STATUS = "n"
    ALL = "a"


def mitigate_path(cuid: str, mid: int | None = None) -> tuple[str, ...]:
    """The Uri-Path of one mitigation, or of all mitigations of a client.

    Raises EncodeError for a cuid that is empty or longer than 250 bytes, and for a mid outside
    0-4294967295.
    """
    if not cuid:
        raise EncodeError("cuid", "must not be empty")
    segment = f"cuid={cuid}"
    if len(segment.encode()) > MAX_SEGMENT_BYTES:
        raise EncodeError("cuid", "is too long for one path segment")
    if mid is None:
        return (*PREFIX, MITIGATE, segment)
    return (*PREFIX, MITIGATE, segment, f"mid={_checked('mid', mid)}")


def config_path(sid: int | None = None) -> tuple[str, ...]:
    """The Uri-Path of the session configuration.

    Raises EncodeError for a sid outside 0-4294967295.
    """
    if sid is None:
        return (*PREFIX, CONFIG)
    return (*PREFIX, CONFIG, f"sid={_checked('sid', sid)}")


def parse_path(segments: Sequence[str]) -> DotsPath:
    """The resource of a Uri-Path. Raises DecodeError for a path that is not in RFC 9132."""
    match tuple(segments):
        case (".well-known", "dots", "mitigate", *rest):
            return _parse_mitigate(rest)
        case (".well-known", "dots", "config"):
            return ConfigPath()
        case (".well-known", "dots", "config", segment):
            return ConfigPath(sid=_number("sid", _value("sid", segment)))
        case (".well-known", "dots", "hb"):
            return HeartbeatPath()
    raise DecodeError("Uri-Path", f"/{'/'.join(segments)} is not a path of RFC 9132")


def parse_content(queries: Iterable[str]) -> Content:
    """The `c` among the Uri-Query options. Other parameters and unknown values are ignored."""
    for query in queries:
        name, _, value = query.partition("=")
        if name == "c" and value in {content.value for content in Content}:
            return Content(value)
    return Content.ALL


def _parse_mitigate(segments: Sequence[str]) -> MitigatePath:
    rest = list(segments)
    cdid = _value("cdid", rest.pop(0)) if rest and rest[0].startswith("cdid=") else None
    if not rest:
        raise DecodeError("Uri-Path", "cuid is missing")
    cuid = _value("cuid", rest.pop(0))
    if not rest:
        return MitigatePath(cuid=cuid, cdid=cdid)
    mid = _number("mid", _value("mid", rest.pop(0)))
    if rest:
        raise DecodeError("Uri-Path", f"{rest[0]!r} does not belong after mid")
    return MitigatePath(cuid=cuid, mid=mid, cdid=cdid)


def _value(name: str, segment: str) -> str:
    found, equals, value = segment.partition("=")
    if found != name or not equals:
        raise DecodeError("Uri-Path", f"expected {name}=, not {segment!r}")
    if not value:
        raise DecodeError("Uri-Path", f"{name} must not be empty")
    return value


def _number(name: str, text: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > UINT32:
        raise DecodeError("Uri-Path", f"{name} must be a number from 0 to {UINT32}")
    return int(text)


def _checked(name: str, number: int) -> int:
    if not 0 <= number <= UINT32:
        raise EncodeError(name, f"must be between 0 and {UINT32}")
    return number
