"""Absolute ASCII URIs (RFC 3986) with a host that a provider can find."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from dots_client.rules import uri_violation
from portal.core.targets.addresses import refuse_unprotectable
from portal.core.targets.model import MAX_TARGET_LENGTH, Code, Kind, Suggestion, Target, TargetError
from portal.core.targets.names import normal_name
from portal.core.targets.networks import IPNetwork

DEFAULT_PORTS: Final[Mapping[str, int]] = {
    "http": 80, "https": 443, "ws": 80, "wss": 443, "coap": 5683, "coaps": 5684, "sip": 5060,
    "sips": 5061, "dns": 53,
}  # fmt: skip
"""Default ports of the schemes that providers can protect."""
_ROOTED: Final = ("http", "https", "ws", "wss", "coap", "coaps")
"""Schemes in which an empty path is "/" (RFC 3986 section 6.2.3)."""
_CHARACTERS: Final = re.compile(r"(?:[\w\-.~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+", re.ASCII)
"""RFC 3986 section 2."""
_KEPT_BY_QUOTE: Final = "/?#[]@!$&'()*+,;=:%~"
_WHO: Final = re.compile(r"^([^:/?#\\]*://)[^/?#\\]*@")
"""A user name and password.

They are dropped: no provider, page, event or error needs to see them.
"""
_AUTHORITY: Final = re.compile(r"(?P<host>\[[^\[\]]*\]|[^\[\]:@]+)(?::(?P<port>\d{1,5}))?")


def read_uri(text: str) -> str:
    """A URI of `text`, as `plain` leaves it, in normal form: scheme and host in lower case, no
    user, no default port.
    """
    has_backslash, text = "\\" in text, _WHO.sub(r"\1", text)
    if has_backslash:
        # Browsers read it as a slash, other programs as part of the user name before an @.
        raise TargetError(Code.BACKSLASH, text)
    if " " in text:
        raise TargetError(Code.NOT_A_URI, text)
    scheme, _, rest = text.partition("://")
    scheme = scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise TargetError(Code.UNKNOWN_SCHEME, text, scheme=scheme)
    end = re.compile(r"[/?#]|$").search(rest)
    place = end.start() if end else len(rest)
    authority, path = rest[:place], rest[place:]
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise TargetError(Code.NOT_A_URI, text)
    host = _host(match["host"], text)
    port = _port(match["port"], scheme, text)
    plain = f"{scheme}://{host}{port}{_path(path, scheme)}"
    if not plain.isascii():
        encoded = plain.replace(path, quote(path, safe=_KEPT_BY_QUOTE))
        raise TargetError(Code.NOT_ASCII, text, _if_readable(encoded))
    if not _CHARACTERS.fullmatch(plain) or uri_violation(plain):
        raise TargetError(Code.NOT_A_URI, text)
    if len(plain) > MAX_TARGET_LENGTH:
        raise TargetError(Code.TOO_LONG, text, length=len(plain), longest=MAX_TARGET_LENGTH)
    return plain


def _host(text: str, whole: str) -> str:
    if text.startswith("["):
        inner = text[1:-1]
        if "%" in inner:
            raise TargetError(Code.ZONE, whole)
        try:
            address = ipaddress.IPv6Address(inner)
        except ValueError:
            raise TargetError(Code.NOT_A_URI, whole) from None
        refuse_unprotectable(ipaddress.ip_network(address), inner)
        return f"[{address}]"
    if re.fullmatch(r"[\d.]+", text):
        try:
            plain = ipaddress.IPv4Address(text.removesuffix("."))
        except ValueError:
            raise TargetError(Code.NOT_A_URI, whole) from None
        refuse_unprotectable(ipaddress.ip_network(plain), text)
        return str(plain)
    try:
        return normal_name(text)
    except TargetError as error:
        if error.code != Code.EMPTY_LABEL:
            raise
        name = ".".join(filter(None, text.split(".")))
        raise TargetError(error.code, whole, _if_readable(whole.replace(text, name, 1))) from None


def _port(text: str | None, scheme: str, whole: str) -> str:
    if text is None or int(text) == DEFAULT_PORTS[scheme]:
        return ""
    if int(text) > 65535:
        raise TargetError(Code.NOT_A_URI, whole)
    return f":{int(text)}"


def _path(path: str, scheme: str) -> str:
    return f"/{path}" if scheme in _ROOTED and not path.startswith("/") else path


def _if_readable(text: str) -> tuple[Suggestion, ...]:
    try:
        return (Suggestion(targets=(Target(Kind.URI, read_uri(text)),)),)
    except TargetError:
        return ()


def uri_host(uri: str) -> str:
    """The host of a URI in normal form, or of one stored before URIs had a normal form.

    Addresses come without brackets.
    """
    try:
        return (urlsplit(uri).hostname or "").lower().rstrip(".")
    except ValueError:
        return ""


def uri_network(uri: str) -> IPNetwork | None:
    """The host of a URI if it is an address; None if it is a name."""
    try:
        return ipaddress.ip_network(uri_host(uri))
    except ValueError:
        return None
