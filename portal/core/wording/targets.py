"""Error sentences for targets, ports and protocols, and the labels of the buttons that fix them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from portal.core.errors import FieldError, Fix
from portal.core.targets import (
    PROTOCOL_NAMES,
    Code,
    PortRange,
    Suggestion,
    Target,
    TargetError,
    as_text,
    both_forms,
    shown,
)

_SHOWN_TARGETS: Final = 3
_WHOLE: Final[Mapping[str, str]] = {
    "every": "it is every address",
    "link-local": "it is a link-local address",
    "loopback": "it is a loopback address",
    "multicast": "it is a multicast address",
    "broadcast": "it is the broadcast address",
    "IPv4-mapped": "it is an IPv4 address written as IPv6",
}
_CONTAINED: Final[Mapping[str, str]] = {
    "loopback": "loopback addresses",
    "multicast": "multicast addresses",
    "broadcast": "the broadcast address",
    "IPv4-mapped": "IPv4 addresses written as IPv6",
}
_KINDS: Final[Mapping[str, str]] = {
    "prefix": "an address or prefix",
    "fqdn": "a name",
    "uri": "a web address",
}


def sentence(error: TargetError) -> str:
    """The error in one or two sentences, with the value."""
    return _SENTENCES[error.code](shown(error.text), error.parameters)


def fixes(error: TargetError) -> tuple[Fix, ...]:
    """A button for each suggestion."""
    return tuple(
        Fix(label=_label(error, one), value=as_text(one) or ports_text(one.ports), suggestion=one)
        for one in error.suggestions
    )


def field_error(field: str, error: TargetError) -> FieldError:
    """The same error, attached to a field."""
    return FieldError(field, error.code, sentence(error), fixes(error))


def ports_text(ports: Iterable[PortRange]) -> str:
    """Port ranges as text for the ports field."""
    return ", ".join(map(port_text, ports))


def port_text(ports: PortRange) -> str:
    lower, upper = ports.lower, ports.upper
    return str(lower) if lower == upper else f"{lower}–{upper}"


def _label(error: TargetError, suggestion: Suggestion) -> str:
    if error.code == Code.HOST_BITS_SET:
        [target] = suggestion.targets
        network = target.value
        if isinstance(network, str) or network.num_addresses == 1:
            return f"Only {_as_written(target)}"
        count = network.num_addresses
        return f"All {count} of {network}" if count <= 65536 else f"All of {network}"
    if suggestion == Suggestion():
        return f"Leave out {shown(error.text)}"
    values = [_as_written(target) for target in suggestion.targets]
    more = len(values) - _SHOWN_TARGETS
    if more > 1:
        values = [*values[:_SHOWN_TARGETS], f"{more} more"]
    if suggestion.ports:
        ports = ports_text(suggestion.ports)
        values.append(f"port{'s' if '–' in ports or ',' in ports else ''} {ports}")
    values += [PROTOCOL_NAMES[one] for one in suggestion.protocols]
    return f"Use {_listed([shown(one) for one in values])}"


def _as_written(target: Target) -> str:
    """A single address without its prefix length; a name in both forms."""
    value = target.value
    if isinstance(value, str):
        return both_forms(value)
    return str(value.network_address if value.num_addresses == 1 else value)


def _listed(values: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(values[:-1]), values[-1]])) if values else ""


_Parameters = Mapping[str, str | int]


def _not_a_prefix(text: str, parameters: _Parameters) -> str:
    if octet := parameters.get("octet"):
        return f"{text} is not an address: {shown(str(octet))} is more than 255."
    if length := parameters.get("length"):
        return (
            f"{text} is not a prefix: /{shown(str(length))} is more than {parameters['longest']}."
        )
    return f"{text} is not an address or prefix. Write it like 203.0.113.7 or 203.0.113.0/24."


def _not_a_name(text: str, parameters: _Parameters) -> str:
    if length := parameters.get("length"):
        return (
            f"{text} is not a name: one part has {length} characters; "
            f"the maximum is {parameters['longest']}."
        )
    return f"{text} is not a name. Write it like shop.example.com."


def _not_protectable(text: str, parameters: _Parameters) -> str:
    what, contained = str(parameters["what"]), parameters["contained"]
    why = f"it contains {_CONTAINED[what]} ({contained})" if contained else _WHOLE[what]
    return f"{text} cannot be protected: {why}."


def _not_a_mask(text: str, parameters: _Parameters) -> str:
    if parameters["mask"] == "0.0.0.0":  # noqa: S104 - a mask
        return (
            f"{text} can mean one address or a whole network. Write the length, as in "
            "203.0.113.7/32."
        )
    return f"{text} is not a prefix: {shown(str(parameters['mask']))} is not a network mask."


def _range(text: str, parameters: _Parameters) -> str:
    count = int(parameters["count"])
    how_many = (
        f"{count:,} addresses"
        if 1 < count <= 65536
        else "one address"
        if count == 1
        else "many addresses"
    )
    return f"{text} is a range of {how_many}. Providers accept prefixes, not ranges."


def _not_idna(text: str, parameters: _Parameters) -> str:
    if label := parameters.get("label"):
        return f"{text} is not a name: no domain can contain {shown(str(label))}."
    return f"{text} is not a name: it contains characters that no domain can have."


def _other_kind(text: str, parameters: _Parameters) -> str:
    return f"{text} is {_KINDS[str(parameters['kind'])]}, not {_KINDS[str(parameters['wanted'])]}."


_SENTENCES: Final[Mapping[Code, Callable[[str, _Parameters], str]]] = {
    Code.EMPTY: lambda text, _: "There is no target here. Write one like 203.0.113.7.",
    Code.TOO_LONG: lambda text, p: (
        f"{text} is too long: {p['length']:,} characters; the maximum is {p['longest']:,}."
    ),
    Code.ODD_CHARACTERS: lambda text, _: (
        f"{text} contains invisible characters that no target can have. Type it again."
    ),
    Code.SEVERAL: lambda text, p: f"{text} is more than one target. Write each one separately.",
    Code.OTHER_KIND: _other_kind,
    Code.NOT_A_PREFIX: _not_a_prefix,
    Code.HOST_BITS_SET: lambda text, p: (
        f"{text} is not a network address: the part after /{p['length']} must be zero. Which "
        f"did you mean?"
    ),
    Code.NOT_PROTECTABLE: _not_protectable,
    Code.NOT_SENDABLE: lambda text, p: f"{text} cannot be protected: {shown(str(p['reason']))}.",
    Code.ZERO_PADDED: lambda text, _: (
        f"{text} has a number with a leading 0. Some programs read that as "
        f"octal, so it is ambiguous."
    ),
    Code.NUMBER_FORM: lambda text, _: (
        f"{text} is a number, not an address. Write an address as four decimal numbers, like "
        f"203.0.113.7."
    ),
    Code.SHORT_ADDRESS: lambda text, _: f"{text} is an incomplete address. Write all of it.",
    Code.WILDCARD: lambda text, _: f"{text} stands for a whole network. Write it as a prefix.",
    Code.COMMAS: lambda text, _: f"{text} has commas where an address has dots.",
    Code.BACKSLASH: lambda text, _: f"{text} contains a backslash, which no target can have.",
    Code.ZONE: lambda text, _: f"{text} names a network interface. Leave out the % part.",
    Code.NOT_A_MASK: _not_a_mask,
    Code.RANGE: _range,
    Code.REVERSED_RANGE: lambda text, _: (
        f"{text} is a reversed range. Providers accept prefixes, not ranges."
    ),
    Code.MIXED_RANGE: lambda text, _: f"{text} mixes IPv4 and IPv6. Write two ranges.",
    Code.TOO_MANY_PREFIXES: lambda text, p: (
        f"{text} needs {p['count']} prefixes; at most {p['most']} fit one "
        f"request. Write a range with rounder ends, or a prefix."
    ),
    Code.HAS_A_PORT: lambda text, _: (
        f"{text} contains a port. Ports have their own field and apply to all targets of a request."
    ),
    Code.HAS_A_PATH: lambda text, _: (
        f"{text} is more than a name or address. Do you mean the whole host, or one web address?"
    ),
    Code.NOT_A_NAME: _not_a_name,
    Code.ONE_LABEL: lambda text, _: (
        f"{text} is not a full name. Write all of it, like shop.example.com."
    ),
    Code.LAST_LABEL_IS_A_NUMBER: lambda text, p: (
        f"{text} is neither an address nor a name: no domain name ends in {shown(str(p['label']))}."
    ),
    Code.EMPTY_LABEL: lambda text, _: f"{text} is not a name: there is nothing between two dots.",
    Code.NOT_IDNA: _not_idna,
    Code.WILDCARD_NAME: lambda text, _: (
        f"{text} stands for many names. Write each name, or their addresses."
    ),
    Code.MAIL_ADDRESS: lambda text, _: f"{text} is an email address.",
    Code.AS_NUMBER: lambda text, _: f"{text} is an AS number. Write its prefixes.",
    Code.NOT_A_URI: lambda text, _: (
        f"{text} is not a web address. Write it like https://shop.example.com/."
    ),
    Code.UNKNOWN_SCHEME: lambda text, p: (
        f"{text} is not a web address that providers accept: it begins with "
        f"{shown(str(p['scheme']) or 'nothing')}. Write it like https://shop.example.com/."
    ),
    Code.NOT_ASCII: lambda text, _: (
        f"{text} has letters after the host that must be percent-encoded in a web address."
    ),
    Code.NOT_A_HOST: lambda text, _: f"{text} is not the address of a single host.",
    Code.NOT_A_PORT: lambda text, _: (
        f"{text} is not a port. Write numbers like 80, 443 or 8000–8080."
    ),
    Code.HAS_A_PROTOCOL: lambda text, p: (
        f"{text} names the protocol {str(p['protocol']).upper()}. Protocols have their own field."
    ),
    Code.ANY_AND_MORE: lambda text, _: (
        f"{text} already covers all ports. Leave it out, or leave out the others."
    ),
    Code.NOT_A_PROTOCOL: lambda text, _: (
        f"{text} is not a protocol. Write a number from 0 to 255, or a name like tcp."
    ),
}
