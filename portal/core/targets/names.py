"""DNS names, read by UTS 46 and IDNA 2008, as browsers do.

The four characters that IDNA 2003 replaced (ß, ς and the two joiners) stay as they are. Names are
stored as A-labels.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

import idna

from dots_client.rules import fqdn_violation
from portal.core.targets.addresses import is_like_an_address
from portal.core.targets.model import Code, Kind, Suggestion, Target, TargetError
from portal.core.targets.text import plain

MAX_NAME_LENGTH: Final = 253
MAX_LABEL_LENGTH: Final = 63
_ASCII_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?")
"""RFC 6991 section 4, domain-name."""
_AS_NUMBER: Final = re.compile(r"as ?n?\d{1,10}", re.IGNORECASE)


def normal_name(text: str) -> str:
    """`text` (as returned by `plain`) as a domain name: A-labels, lower case, no final dot, two
    labels or more.
    """
    name = _labels(text)
    if "." not in name:
        raise TargetError(Code.AS_NUMBER if _AS_NUMBER.fullmatch(text) else Code.ONE_LABEL, text)
    if is_like_an_address(name):
        # Such as 203.0.113.Ⅹ, whose last letter UTS 46 maps to x.
        raise TargetError(Code.NOT_A_NAME, text)
    return name


def normal_host(text: str) -> str:
    """The address or name of a server, in A-label form. The name may have a single label."""
    text = plain(text)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return _labels(text)
    if address.is_unspecified or address.is_multicast or "%" in text:
        raise TargetError(Code.NOT_A_HOST, text)
    return str(address)


def both_forms(value: str) -> str:
    """A target for display: a name with A-labels in Unicode, followed by its stored form.

    The stored form distinguishes names that look the same.
    """
    if "xn--" not in value:
        return value
    head, slashes, rest = value.rpartition("://")
    host = re.match(r"[^/:?#]*", rest)
    name = host[0] if host else ""
    try:
        written = ".".join(map(idna.ulabel, name.split(".")))
    except UnicodeError:
        # Stored before names were checked by IDNA 2008.
        return value
    return f"{head}{slashes}{written}{rest[len(name) :]} ({value})"


def former_name(text: str) -> str:
    """The name that earlier releases made of `text` by IDNA 2003; empty if it is the same or
    invalid.

    It is a different domain: `faß.example` became `fass.example`.
    """
    try:
        former = plain(text).removesuffix(".").encode("idna").decode("ascii").lower()
        return "" if former == normal_name(plain(text)) else former
    except (UnicodeError, TargetError):
        return ""


def _labels(text: str) -> str:
    bare = text.removesuffix(".")
    if not bare or len(text) > 4 * MAX_NAME_LENGTH:
        raise TargetError(Code.NOT_A_NAME, text)
    if "" in bare.split("."):
        raise TargetError(Code.EMPTY_LABEL, text, _without_empty_labels(bare))
    labels = [_label(label, text) for label in _mapped(bare).split(".")]
    name = ".".join(labels)
    if labels[-1][0].isdigit():
        # For example 203.0.113.300, 203.0.113.7a or 203.0.113.0x7: no top-level domain begins with
        # a digit.
        raise TargetError(Code.LAST_LABEL_IS_A_NUMBER, text, label=labels[-1])
    if len(name) > MAX_NAME_LENGTH:
        raise TargetError(Code.TOO_LONG, text, length=len(name), longest=MAX_NAME_LENGTH)
    if fqdn_violation(name):
        raise TargetError(Code.NOT_A_NAME, text)
    return name


def _mapped(text: str) -> str:
    """Lower case, composed, without the characters that UTS 46 ignores; keeps the four characters
    named above.
    """
    try:
        return idna.uts46_remap(text, std3_rules=False, transitional=False)
    except UnicodeError:
        raise TargetError(Code.NOT_IDNA, text) from None


def _label(label: str, text: str) -> str:
    if label.isascii() and not label.startswith("xn--"):
        # Resolvers find names that no registry would accept, such as "r3---sn-4g5e.example".
        if not _ASCII_LABEL.fullmatch(label):
            raise TargetError(Code.NOT_A_NAME, text)
        kept = label
    else:
        try:
            # An A-label that does not decode, or not back to itself, has no address.
            kept = idna.alabel(idna.ulabel(label)).decode("ascii")
        except UnicodeError:
            raise TargetError(Code.NOT_IDNA, text, label=label) from None
        if label.isascii() and kept != label:
            raise TargetError(Code.NOT_IDNA, text, label=label)
    if len(kept) > MAX_LABEL_LENGTH:
        raise TargetError(Code.NOT_A_NAME, text, length=len(kept), longest=MAX_LABEL_LENGTH)
    return kept


def _without_empty_labels(text: str) -> tuple[Suggestion, ...]:
    try:
        name = normal_name(".".join(filter(None, text.split("."))))
    except TargetError:
        return ()
    return (Suggestion(targets=(Target(Kind.FQDN, name),)),)
