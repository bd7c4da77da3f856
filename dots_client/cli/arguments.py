"""The command line of `python -m dots_client`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Final

from dots_client import (
    DEFAULT_LIFETIME_S,
    INDEFINITE,
    ActivationType,
    FilterControl,
    PortRange,
    Scope,
    Targets,
)
from dots_client.cli.manual import CONVENTIONS, PAGES
from dots_client.client.settings import DEFAULT_PORT
from dots_client.codec.keys import ACTIVATION_TYPE_LABELS

TRANSPORT_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "any": ("dtls", "tls"),
    "udp": ("dtls",),
    "tcp": ("tls",),
}

ENVIRONMENT: Final[Mapping[str, str]] = {
    "server": "DOTS_SERVER",
    "name": "DOTS_NAME",
    "cert": "DOTS_CERT",
    "key": "DOTS_KEY",
    "ca": "DOTS_CA",
    "cuid": "DOTS_CUID",
}

_FOR_A_SESSION: Final = ("server", "cert", "key", "ca")
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {"cuid": ("cert",), "codec": ()}
_ACTIVATION_TYPES: Final[Mapping[str, ActivationType]] = dict(
    zip(ACTIVATION_TYPE_LABELS, ActivationType, strict=True)
)

DESCRIPTION: Final = "Request DDoS mitigation from a DOTS server (RFC 9132)."


def parse_arguments(
    argv: Sequence[str] | None, environment: Mapping[str, str]
) -> argparse.Namespace:
    parser = _parser(environment)
    arguments = parser.parse_args(argv)
    for name in arguments.required:
        if not getattr(arguments, name):
            parser.error(f"--{name} is missing (or {ENVIRONMENT[name]} in the environment)")
    if arguments.command == "status" and arguments.watch and arguments.mid is None:
        parser.error("--watch needs --mid")
    if arguments.command == "config" and arguments.set and arguments.sid is None:
        parser.error("--set needs --sid")
    return arguments


def scope_from(arguments: argparse.Namespace) -> Scope:
    return Scope(
        targets=Targets(
            target_prefix=tuple(arguments.prefix),
            target_fqdn=tuple(arguments.fqdn),
            target_uri=tuple(arguments.uri),
            alias_name=tuple(arguments.alias),
            target_port_range=tuple(arguments.port),
            target_protocol=tuple(arguments.protocol),
        ),
        lifetime=arguments.lifetime,
        trigger_mitigation=not arguments.preconfigured,
        acl_list=tuple(arguments.acl),
    )


def host_and_port(text: str) -> tuple[str, int]:
    """`host`, `host:port`, `[address]:port`, or a bare IPv6 address."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise argparse.ArgumentTypeError(f"{text!r} is not [address]:port")
        port = rest[1:]
    elif text.count(":") > 1:
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    if not host:
        raise argparse.ArgumentTypeError("the host is missing")
    return host, _number(port, 1, 65535, "a port") if port else DEFAULT_PORT


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dots_client",
        description=DESCRIPTION,
        epilog=CONVENTIONS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    common, session = _common(environment), _session(environment)

    def command(name: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        page = PAGES[name]
        return commands.add_parser(
            name,
            parents=parents,
            help=page.summary,
            description=page.description,
            epilog=f"{page.examples}\n\n{CONVENTIONS}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    _add_mitigate(command("mitigate", common, session))
    _add_status(command("status", common, session))
    _add_mid(command("withdraw", common, session))
    _add_efficacy(command("efficacy", common, session))
    _add_config(command("config", common, session))
    ping = command("ping", common, session)
    ping.add_argument("--count", type=_count, default=3, help="default: %(default)s")
    command("cuid", common)
    _add_codec(command("codec"))
    for name, parser_of_command in commands.choices.items():
        parser_of_command.set_defaults(required=_REQUIRED.get(name, _FOR_A_SESSION))
    return parser


def _add_mitigate(parser: argparse.ArgumentParser) -> None:
    _add_mid(parser)
    _add_scope(parser)
    parser.add_argument(
        "--acl",
        type=_filter,
        action="append",
        default=[],
        metavar="NAME[=TYPE]",
        help="turn a filter (ACL) that the server knows on or off; only during an attack, with a "
        "new --mid (RFC 9133); "
        f"TYPE is {', '.join(_ACTIVATION_TYPES)}; may be repeated",
    )
    parser.add_argument(
        "--split",
        action="store_true",
        help="use several mids, from --mid on, if the targets do not fit one datagram",
    )


def _add_status(parser: argparse.ArgumentParser) -> None:
    _add_mid(parser, is_required=False)
    parser.add_argument(
        "--watch", action="store_true", help="keep printing the notifications of one --mid"
    )


def _add_efficacy(parser: argparse.ArgumentParser) -> None:
    _add_mid(parser)
    parser.add_argument(
        "--attack",
        required=True,
        choices=("ongoing", "mitigated"),
        help="whether the attack continues",
    )
    _add_scope(parser)
    parser.set_defaults(acl=[])


def _add_config(parser: argparse.ArgumentParser) -> None:
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--reset", action="store_true", help="return to the server's defaults")
    change.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SET.PARAMETER=VALUE",
        help="such as idle.heartbeat-interval=60; may be repeated",
    )
    parser.add_argument(
        "--sid", type=_sid, help="identifies the change; higher than any sid of this session"
    )


def _add_codec(parser: argparse.ArgumentParser) -> None:
    direction = parser.add_mutually_exclusive_group(required=True)
    direction.add_argument("--to-cbor", action="store_true", help="JSON to hexadecimal CBOR")
    direction.add_argument("--to-json", action="store_true", help="hexadecimal CBOR to JSON")
    parser.add_argument(
        "--sender",
        choices=("client", "server"),
        default="client",
        help="whose body it is, which decides the rules; default: %(default)s",
    )
    parser.add_argument("file", nargs="?", default="-", metavar="FILE", help="default: stdin")
    parser.set_defaults(json=False, verbose=False)


def _common(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    _add(parser, "cert", environment, "file with the client certificate and its chain, PEM")
    parser.add_argument("--json", action="store_true", help="write JSON, one value per line")
    parser.add_argument("--verbose", action="store_true", help="print every message to stderr")
    return parser


def _session(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    _add(parser, "server", environment, f"host:port; the port defaults to {DEFAULT_PORT}")
    _add(parser, "name", environment, "name in the server's certificate; default: the host")
    _add(parser, "key", environment, "file with the private key, PEM, not encrypted")
    _add(
        parser,
        "ca",
        environment,
        "file with the authorities that may issue the server's certificate, PEM",
    )
    _add(parser, "cuid", environment, "default: derived from the certificate")
    parser.add_argument(
        "--transport",
        choices=tuple(TRANSPORT_CHOICES),
        default="any",
        help="default: any, which uses the first that works",
    )
    parser.add_argument(
        "--no-alpn",
        action="store_true",
        help="over TCP, accept a server that does not select CoAP by ALPN",
    )
    parser.add_argument(
        "--patience",
        type=_patience,
        default=30.0,
        metavar="SECONDS",
        help="how long to wait for an answer; default: %(default)g",
    )
    return parser


def _add(
    parser: argparse.ArgumentParser, name: str, environment: Mapping[str, str], words: str
) -> None:
    parser.add_argument(
        f"--{name}",
        default=environment.get(ENVIRONMENT[name], ""),
        metavar=name.upper(),
        help=words,
    )


def _add_mid(parser: argparse.ArgumentParser, *, is_required: bool = True) -> None:
    parser.add_argument(
        "--mid", type=_mid, required=is_required, help="the number of the mitigation"
    )


def _add_scope(parser: argparse.ArgumentParser) -> None:
    for name, words in (
        ("prefix", "such as 192.0.2.0/24; may be repeated"),
        ("fqdn", "may be repeated"),
        ("uri", "may be repeated"),
        ("alias", "name of an alias the server knows; may be repeated"),
    ):
        parser.add_argument(f"--{name}", action="append", default=[], help=words)
    parser.add_argument(
        "--port",
        type=_ports,
        action="append",
        default=[],
        help="443 or 8000-8080; may be repeated",
    )
    parser.add_argument(
        "--protocol",
        type=_protocol,
        action="append",
        default=[],
        help="number such as 6 (TCP) or 17 (UDP); may be repeated",
    )
    parser.add_argument(
        "--lifetime",
        type=int,
        default=DEFAULT_LIFETIME_S,
        help=f"seconds; {INDEFINITE}: no end; default: %(default)s",
    )
    parser.add_argument(
        "--preconfigured",
        action="store_true",
        help="start only when the server loses the session with this client",
    )
    parser.add_argument(
        "--even-if-started",
        action="store_true",
        help="with --preconfigured: send it even if a lost session has started it, "
        "although some servers then stop it",
    )


def _ports(text: str) -> PortRange:
    lower, dash, upper = text.partition("-")
    return PortRange(
        lower=_number(lower, 0, 65535, "a port"),
        upper=_number(upper, 0, 65535, "a port") if dash else None,
    )


def _protocol(text: str) -> int:
    return _number(text, 0, 255, "a protocol number")


def _mid(text: str) -> int:
    return _number(text, 0, 2**32 - 1, "a mid")


def _sid(text: str) -> int:
    return _number(text, 0, 2**32 - 1, "a sid")


def _count(text: str) -> int:
    return _number(text, 1, 1000, "a count")


def _patience(text: str) -> float:
    return float(_number(text, 1, 3600, "a number of seconds"))


def _filter(text: str) -> FilterControl:
    name, equals, label = text.partition("=")
    if not name or (equals and label not in _ACTIVATION_TYPES):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a name, or a name with ={', ='.join(_ACTIVATION_TYPES)}"
        )
    return FilterControl(
        acl_name=name, activation_type=_ACTIVATION_TYPES[label] if equals else None
    )


def _number(text: str, lowest: int, highest: int, what: str) -> int:
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what} from {lowest} to {highest}")
    return int(text)
