"""Names as DNS has them: IDNA 2008 by way of UTS 46, as browsers read names.

The four characters that IDNA 2003 took for others (ß, ς and the two joiners) stay themselves. A name is kept as A-labels.
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
    """`text` (as `plain` leaves it) as a domain name: A-labels, lower case, no final dot, two labels or more."""
    name = _labels(text)
    if "." not in name:
        raise TargetError(Code.AS_NUMBER if _AS_NUMBER.fullmatch(text) else Code.ONE_LABEL, text)
    if is_like_an_address(name):
        # Such as 203.0.113.Ⅹ, whose last letter UTS 46 takes for an x.
        raise TargetError(Code.NOT_A_NAME, text)
    return name


def normal_host(text: str) -> str:
    """Where a server is: an address, or a name that may have one label only, in A-label form."""
    text = plain(text)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return _labels(text)
    if address.is_unspecified or address.is_multicast or "%" in text:
        raise TargetError(Code.NOT_A_HOST, text)
    return str(address)


def both_forms(value: str) -> str:
    """A target for a person's eyes: a name with A-labels as its registry writes it, and beside that as it is kept.

    The kept form tells names apart that look the same.
    """
    if "xn--" not in value:
        return value
    head, slashes, rest = value.rpartition("://")
    host = re.match(r"[^/:?#]*", rest)
    name = host[0] if host else ""
    try:
        written = ".".join(map(idna.ulabel, name.split(".")))
    except UnicodeError:
        # Kept before names were checked by IDNA 2008.
        return value
    return f"{head}{slashes}{written}{rest[len(name) :]} ({value})"


def former_name(text: str) -> str:
    """The name that IDNA 2003 made of `text`, as the portal did before; empty when it is the same, or none.

    It is another domain: `faß.example` was taken for `fass.example`.
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
        # Neither 203.0.113.300 nor 203.0.113.7a nor 203.0.113.0x7: no top-level domain begins with a digit.
        raise TargetError(Code.LAST_LABEL_IS_A_NUMBER, text, label=labels[-1])
    if len(name) > MAX_NAME_LENGTH:
        raise TargetError(Code.TOO_LONG, text, length=len(name), longest=MAX_NAME_LENGTH)
    if fqdn_violation(name):
        raise TargetError(Code.NOT_A_NAME, text)
    return name


def _mapped(text: str) -> str:
    """Lower case, composed, without what UTS 46 ignores; no character of the four is mapped to another."""
    try:
        return idna.uts46_remap(text, std3_rules=False, transitional=False)
    except UnicodeError:
        raise TargetError(Code.NOT_IDNA, text) from None


def _label(label: str, text: str) -> str:
    if label.isascii() and not label.startswith("xn--"):
        # Registries give out fewer names than resolvers find: "r3---sn-4g5e.example" has an address.
        if not _ASCII_LABEL.fullmatch(label):
            raise TargetError(Code.NOT_A_NAME, text)
        kept = label
    else:
        try:
            # An A-label that stands for nothing, or not for itself, has no address.
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
