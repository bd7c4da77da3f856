"""`python -m provider_simulator`: a simulated provider or gateway, and their certificates."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette

from dots_client import Server
from dots_server.server import SignalServer
from dots_server.targets import Entitlement
from provider_simulator.behaviour import Behaviour, BehaviourError
from provider_simulator.control import control_app, control_server, gateway_app
from provider_simulator.gateway_policy import FIRST_HOP_LIMIT, Gateway
from provider_simulator.gateway_server import GatewayServer
from provider_simulator.pki import client_credentials, make_pki, server_credentials
from provider_simulator.provider import Provider
from provider_simulator.provider_server import ProviderServer
from provider_simulator.upstream import Upstream

DEFAULT_SIGNAL_PORT: Final = 4646
DEFAULT_CONTROL_PORT: Final = 4650
DEMO_TERMINATING_S: Final = 5.0
"""Shorter than the 120 s of RFC 9132 section 4.4.4, so that demonstrations do not take long."""

BEHAVIOUR_OPTIONS: Final = (
    ("status-delay", "status_delay_s", 2.0, "seconds from acceptance to mitigating"),
    ("attack-ends-after", "attack_ends_after_s", None, "seconds; default: never"),
    ("notify-interval", "notify_interval_s", 2.0, "seconds between notifications"),
    ("terminating", "terminating_s", DEMO_TERMINATING_S, "seconds of active-but-terminating"),
    ("loss", "loss", 0.0, "share of datagrams to lose, each way"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        if options.command == "pki":
            make_pki(options.dir, providers=options.provider, clients=options.client)
            return 0
        logging.basicConfig(
            level=options.log_level, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s"
        )
        run = _forward if options.command == "gateway" else _serve
        return asyncio.run(run(options))
    except (BehaviourError, OSError, ValueError) as error:
        print(f"provider_simulator: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="provider_simulator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    serve = commands.add_parser("serve", help="simulate a provider until SIGTERM or Ctrl-C")
    _add_server_options(serve, "name of the provider")
    for option, _, default, meaning in BEHAVIOUR_OPTIONS:
        serve.add_argument(f"--{option}", type=float, default=default, help=meaning)

    gateway = commands.add_parser(
        "gateway", help="forward requests to a provider or another gateway until SIGTERM"
    )
    _add_server_options(gateway, "name of the gateway in errors about loops; one word")
    gateway.add_argument(
        "--upstream",
        required=True,
        metavar="HOST:PORT",
        help="UDP address of the provider or gateway that requests are forwarded to",
    )
    gateway.add_argument(
        "--upstream-pki",
        type=Path,
        required=True,
        help="folder that `pki` wrote for the upstream server, with the gateway as a client",
    )
    gateway.add_argument(
        "--upstream-name", help="name in the certificate of the upstream server; default: its host"
    )
    gateway.add_argument(
        "--hop-limit",
        type=int,
        default=FIRST_HOP_LIMIT,
        help="Hop-Limit for requests without one, 1 to 255",
    )
    gateway.add_argument(
        "--no-cdid",
        action="store_true",
        help="do not tell the provider which client a request is from",
    )
    gateway.add_argument(
        "--trusts",
        action="append",
        default=[],
        metavar="CLIENT",
        help="a client that is a gateway, whose cdid is trusted; may be repeated",
    )

    pki = commands.add_parser("pki", help="make missing certificates")
    pki.add_argument("--dir", type=Path, required=True)
    pki.add_argument("--provider", action="append", required=True, help="may be repeated")
    pki.add_argument("--client", action="append", default=[], help="may be repeated")
    return parser


def _add_server_options(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument("--name", required=True, help=name)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--port",
        type=int,
        default=DEFAULT_SIGNAL_PORT,
        help="UDP and TCP port of the signal channel; 0: any",
    )
    parser.add_argument(
        "--control-port", type=int, default=DEFAULT_CONTROL_PORT, help="loopback TCP port; 0: any"
    )
    parser.add_argument(
        "--pki",
        type=Path,
        required=True,
        help="folder that `pki` wrote: the one of this name, or its parent",
    )
    parser.add_argument(
        "--clients",
        type=Path,
        required=True,
        help='JSON file: {"common name": ["203.0.113.0/24", "shop.example"], …}',
    )
    parser.add_argument("--seed", type=int, help="makes the simulation repeatable")
    parser.add_argument("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING"])


def _provider_directory(pki: Path, name: str) -> Path:
    return pki if (pki / "server.pem").exists() else pki / name.lower()


def _behaviour(options: argparse.Namespace) -> Behaviour:
    return Behaviour().changed(
        {
            name: getattr(options, option.replace("-", "_"))
            for option, name, _, _ in BEHAVIOUR_OPTIONS
        }
    )


def _entitlements(path: Path) -> dict[str, Entitlement]:
    listed = json.loads(path.read_text())
    if not isinstance(listed, dict):
        raise ValueError(f"{path} must hold a JSON object")
    return {name: Entitlement.of(entries) for name, entries in listed.items()}


async def _serve(options: argparse.Namespace) -> int:
    rng = random.Random(options.seed)  # noqa: S311 - plays an attack, keeps no secret
    provider = Provider(
        entitlements=_entitlements(options.clients), rng=rng, behaviour=_behaviour(options)
    )
    server = ProviderServer(provider, rng=rng)
    return await _run(options, server, control_app(server, name=options.name), server.flood)


async def _forward(options: argparse.Namespace) -> int:
    rng = random.Random(options.seed)  # noqa: S311 - spreads attempts, keeps no secret
    gateway = Gateway(
        name=options.name,
        entitlements=_entitlements(options.clients),
        first_hop_limit=options.hop_limit,
        tells_domains=not options.no_cdid,
        trusts=options.trusts,
    )
    host, _, port = options.upstream.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()):
        raise ValueError(f"--upstream must be HOST:PORT, not {options.upstream!r}")
    upstream = Upstream(
        Server(
            name=options.upstream_name or host.strip("[]"), host=host.strip("[]"), port=int(port)
        ),
        client_credentials(options.upstream_pki, options.name.lower()),
        rng=rng,
    )
    server = GatewayServer(gateway, upstream)
    return await _run(options, server, gateway_app(server), upstream.run)


async def _run(
    options: argparse.Namespace,
    server: SignalServer,
    control_interface: Starlette,
    *more: Callable[[], Coroutine[Any, Any, None]],
) -> int:
    """Until a signal ends it."""
    credentials = server_credentials(_provider_directory(options.pki, options.name))
    with socket.create_server(("127.0.0.1", options.control_port)) as control_socket:
        await server.listen(host=options.host, port=options.port, credentials=credentials)
        control = control_server(control_interface)
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        serving = asyncio.create_task(control.serve(sockets=[control_socket]))
        tasks = [asyncio.create_task(one()) for one in (server.run, *more)]
        ports = {"signal": server.port, "control": control_socket.getsockname()[1]}
        print(json.dumps(ports), flush=True)
        stopping = asyncio.create_task(stopped.wait())
        # A task that ends on its own has failed: then everything ends.
        done, _ = await asyncio.wait(
            {serving, stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED
        )
        control.should_exit = True
        for task in (stopping, *tasks):
            task.cancel()
        await asyncio.gather(serving, stopping, *tasks, return_exceptions=True)
        await server.close()
    for task in done - {stopping}:
        task.result()
    return 0


if __name__ == "__main__":
    sys.exit(main())
