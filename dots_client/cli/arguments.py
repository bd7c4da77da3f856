"""The command line of `python -m dots_client`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Final

from dots_client import DEFAULT_LIFETIME_S, INDEFINITE, PortRange, Scope, Targets
from dots_client.client.settings import DEFAULT_PORT

ENVIRONMENT: Final[Mapping[str, str]] = {
    "server": "DOTS_SERVER",
    "name": "DOTS_NAME",
    "cert": "DOTS_CERT",
    "key": "DOTS_KEY",
    "ca": "DOTS_CA",
    "cuid": "DOTS_CUID",
}

DESCRIPTION: Final = "Ask a DOTS server (RFC 9132) for DDoS mitigation."
EPILOG: Final = """\
exit status:
  0  done
  1  refused by the server
  2  a mistake in the command line, or something RFC 9132 does not allow to be asked
  3  the server could not be reached, or did not answer in time

environment:
  DOTS_SERVER, DOTS_NAME, DOTS_CERT, DOTS_KEY, DOTS_CA, DOTS_CUID
     stand in for --server, --name, --cert, --key, --ca, --cuid

--verbose writes the wire to stderr:
  > sent   < received   = session   % repeated   ! trouble
"""


def parse(argv: Sequence[str] | None, environment: Mapping[str, str]) -> argparse.Namespace:
    parser = _parser(environment)
    arguments = parser.parse_args(argv)
    for name in arguments.required:
        if not getattr(arguments, name):
            parser.error(f"--{name} is missing (or {ENVIRONMENT[name]} in the environment)")
    return arguments


def scope_of(arguments: argparse.Namespace) -> Scope:
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
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    common, session = _common(environment), _session(environment)

    mitigate = commands.add_parser(
        "mitigate", parents=[common, session], help="request a mitigation, or refresh it"
    )
    _add_mid(mitigate)
    _add_scope(mitigate)

    status = commands.add_parser(
        "status", parents=[common, session], help="what the server says of mitigations"
    )
    _add_mid(status, is_required=False)
    status.add_argument(
        "--watch", action="store_true", help="go on with every notification of one --mid"
    )

    withdraw = commands.add_parser("withdraw", parents=[common, session], help="end a mitigation")
    _add_mid(withdraw)

    efficacy = commands.add_parser(
        "efficacy",
        parents=[common, session],
        help="tell the server how the attack looks from here; repeat the scope of the request",
    )
    _add_mid(efficacy)
    efficacy.add_argument(
        "--attack", required=True, choices=("ongoing", "mitigated"), help="how it looks"
    )
    _add_scope(efficacy)

    config = commands.add_parser(
        "config", parents=[common, session], help="read or change the session configuration"
    )
    config.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SET.PARAMETER=VALUE",
        help="such as idle.heartbeat-interval=60; may be repeated",
    )
    config.add_argument("--sid", type=_sid, help="of the change; has to grow")

    ping = commands.add_parser(
        "ping", parents=[common, session], help="send heartbeats and time their answers"
    )
    ping.add_argument("--count", type=_count, default=3, help="default: %(default)s")

    commands.add_parser("cuid", parents=[common], help="show the cuid of a client certificate")
    for name, command in commands.choices.items():
        required = ("cert",) if name == "cuid" else ("server", "cert", "key", "ca")
        command.set_defaults(required=required)
    return parser


def _common(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    _add(parser, "cert", environment, "file with the client certificate and its chain, PEM")
    parser.add_argument("--json", action="store_true", help="write JSON, one value per line")
    parser.add_argument("--verbose", action="store_true", help="show the wire on stderr")
    return parser


def _session(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    _add(parser, "server", environment, f"host:port; the port defaults to {DEFAULT_PORT}")
    _add(parser, "name", environment, "name in the server's certificate; default: the host")
    _add(parser, "key", environment, "file with the private key, PEM, not encrypted")
    _add(parser, "ca", environment, "file with the authorities that sign servers, PEM")
    _add(parser, "cuid", environment, "default: derived from the certificate")
    parser.add_argument(
        "--patience",
        type=_patience,
        default=30.0,
        metavar="SECONDS",
        help="how long to ask before giving up; default: %(default)g",
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
        help="start only when the session with this client is lost",
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


def _number(text: str, lowest: int, highest: int, what: str) -> int:
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what} from {lowest} to {highest}")
    return int(text)
