"""Run one command and turn its outcome into an exit status."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from enum import IntEnum
from pathlib import Path
from typing import Final

from dots_client import (
    AttackStatus,
    Client,
    ClientCache,
    ClientSettings,
    ConfigurationSet,
    ConflictCause,
    Conflicted,
    ConflictInformation,
    Credentials,
    DecodeError,
    EncodeError,
    LocalProtocolError,
    NoAnswer,
    Parameter,
    PeerUnreachable,
    Redirected,
    Refused,
    RemoteProtocolError,
    Scope,
    Server,
    ServerUnavailable,
    SessionClosed,
    SignalConfig,
    TransportError,
    connect,
    cuid_from_certificate,
    own_winner,
    request_overhead_bytes,
    split,
)
from dots_client.cli.arguments import TRANSPORT_CHOICES, host_and_port, parse_arguments, scope_from
from dots_client.cli.console import Console
from dots_client.cli.safety_checks import refuse_if_started, refuse_if_still_held
from dots_client.cli.translation import translate

MAX_REDIRECTIONS: Final = 3
MAX_NUMBER_DIGITS: Final = 10
"""More digits than any parameter has. `int` raises for more than 4,300."""

_ATTACK: Final = {
    "ongoing": AttackStatus.UNDER_ATTACK,
    "mitigated": AttackStatus.SUCCESSFULLY_MITIGATED,
}


class Exit(IntEnum):
    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse_arguments(argv, os.environ)
    console = Console(sys.stdout, sys.stderr, is_json=arguments.json, is_verbose=arguments.verbose)
    try:
        match arguments.command:
            case "cuid":
                cuid = cuid_from_certificate(_read(arguments.cert))
                console.result(cuid, {"cuid": cuid})
            case "codec":
                translate(arguments, sys.stdin, sys.stdout)
            case _:
                asyncio.run(_run(arguments, console))
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Conflicted as error:
        console.error(f"refused: {error}{_advice(error.conflict)}", code=error.code)
        return Exit.REFUSED
    except Refused as error:
        console.error(f"refused: {error}", code=error.code)
        return Exit.REFUSED
    except ServerUnavailable as error:
        console.error(
            f"refused for now: {error} (retry in {error.retry_after_s} s)", code=error.code
        )
        return Exit.REFUSED
    except RemoteProtocolError as error:
        console.error(str(error))
        return Exit.REFUSED
    except (EncodeError, DecodeError, LocalProtocolError, argparse.ArgumentTypeError) as error:
        console.error(str(error))
        return Exit.USAGE
    except (TransportError, SessionClosed, NoAnswer) as error:
        console.error(str(error))
        return Exit.UNREACHABLE
    return Exit.DONE


async def _run(arguments: argparse.Namespace, console: Console) -> None:
    host, port = host_and_port(arguments.server)
    credentials = Credentials(
        certificate_chain=_read(arguments.cert),
        private_key=_read(arguments.key),
        trust_anchors=_read(arguments.ca),
    )
    cache = ClientCache()
    server = Server(
        arguments.name or host,
        host,
        port,
        transports=TRANSPORT_CHOICES[arguments.transport],
        requires_alpn=not arguments.no_alpn,
    )
    for is_last in (*[False] * MAX_REDIRECTIONS, True):
        is_redirected = await _in_session(
            server, credentials, cache, arguments, console, may_move=not is_last
        )
        if not is_redirected:
            return


async def _in_session(
    server: Server,
    credentials: Credentials,
    cache: ClientCache,
    arguments: argparse.Namespace,
    console: Console,
    *,
    may_move: bool,
) -> bool:
    """Run the command in one session.

    Returns whether the server redirected us, so that the command has to run again there.
    """
    async with connect(
        server,
        credentials,
        cuid=arguments.cuid or cuid_from_certificate(credentials.certificate_chain),
        settings=ClientSettings(handshake_timeout_s=arguments.patience, reads_configuration=False),
        on_wire=console.wire,
        cache=cache,
        is_under_attack=cache.is_redirected,
    ) as client:
        console.session(f"session with {client.peer} over {client.transport}")
        command, patience_s = _COMMANDS[arguments.command], arguments.patience
        if arguments.command == "status" and arguments.watch:
            command, patience_s = _watch, None
        if arguments.command == "efficacy":
            patience_s = None  # no answer has a meaning there, and the client has a deadline
        try:
            async with asyncio.timeout(patience_s):
                await command(client, arguments, console)
        except TimeoutError:
            raise NoAnswer(f"no answer within {arguments.patience:g} s") from None
        except Redirected as error:
            if not may_move or not client.should_move.is_set():
                raise
            console.session(f"redirected to {error.redirect.alt_server}")
            return True
        return False


async def _mitigate(client: Client, arguments: argparse.Namespace, console: Console) -> None:
    scope = scope_from(arguments)
    parts: tuple[Scope, ...] = (scope,)
    if arguments.split:
        parts = split(scope, client.max_message_bytes - request_overhead_bytes(client.cuid))
    for mid, part in enumerate(parts, start=arguments.mid):
        if arguments.preconfigured and not arguments.even_if_started:
            await refuse_if_started(client, mid)
        console.reports((await client.request(mid, part, on_sent=console.repeated),))


async def _status(client: Client, arguments: argparse.Namespace, console: Console) -> None:
    if arguments.mid is None:
        console.reports(await client.statuses())
    else:
        console.reports((await client.status(arguments.mid),))


async def _watch(client: Client, arguments: argparse.Namespace, console: Console) -> None:
    async with client.observe(arguments.mid) as reports:
        async for report in reports:
            console.reports((report,))


async def _withdraw(client: Client, arguments: argparse.Namespace, console: Console) -> None:
    await client.withdraw(arguments.mid, on_sent=console.repeated)
    await refuse_if_still_held(client, arguments.mid)
    console.result(
        "withdrawn; it may continue for a while", {"mid": arguments.mid, "withdrawn": True}
    )


async def _efficacy(client: Client, arguments: argparse.Namespace, console: Console) -> None:
    if arguments.preconfigured and not arguments.even_if_started:
        await refuse_if_started(client, arguments.mid)
    report = await client.efficacy(
        arguments.mid,
        scope_from(arguments),
        _ATTACK[arguments.attack],
        deadline_s=arguments.patience,
    )
    if report is None:
        raise NoAnswer("no answer: the server may not know this mitigation")
    console.reports((report,))


async def _config(client: Client, arguments: argparse.Namespace, console: Console) -> None:
    if arguments.set:
        await client.configure(_config_of(arguments.set), arguments.sid)
    read = client.restore_configuration if arguments.reset else client.configuration
    console.config(await read())


async def _ping(client: Client, arguments: argparse.Namespace, console: Console) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(arguments.count):
        started = loop.time()
        if not await client.heartbeat():
            raise PeerUnreachable("a heartbeat had no answer")
        elapsed_ms = 1000 * (loop.time() - started)
        console.result(f"answered in {elapsed_ms:.1f} ms", {"rtt_ms": round(elapsed_ms, 3)})


def _advice(conflict: ConflictInformation) -> str:
    if (winner := own_winner(conflict)) is not None:
        return f" (your own mid {winner} has these targets: use a higher --mid, or withdraw it)"
    if conflict.retry_timer_s is not None:
        return f" (retry in {conflict.retry_timer_s} s)"
    if conflict.cause is ConflictCause.CUID_COLLISION:
        return " (another client has this cuid: choose one with --cuid)"
    return ""


_COMMANDS: Final = {
    "mitigate": _mitigate,
    "status": _status,
    "withdraw": _withdraw,
    "efficacy": _efficacy,
    "config": _config,
    "ping": _ping,
}


def _config_of(settings: Sequence[str]) -> SignalConfig:
    values: dict[str, dict[str, Parameter]] = {"idle": {}, "mitigating": {}}
    known = ConfigurationSet.__dataclass_fields__
    for setting in settings:
        path, equals, text = setting.partition("=")
        set_name, _, parameter = path.partition(".")
        field = parameter.replace("-", "_")
        if not equals or set_name not in values or field not in known:
            raise LocalProtocolError(f"{setting!r} is not like idle.heartbeat-interval=60")
        values[set_name][field] = Parameter(current=_parameter_value(text, setting))
    return SignalConfig(
        idle=ConfigurationSet(**values["idle"]) if values["idle"] else None,
        mitigating=ConfigurationSet(**values["mitigating"]) if values["mitigating"] else None,
    )


def _parameter_value(text: str, setting: str) -> int | Decimal:
    if text.isascii() and text.isdigit() and len(text) <= MAX_NUMBER_DIGITS:
        return int(text)
    try:
        return Decimal(text)
    except InvalidOperation:
        raise LocalProtocolError(f"the value in {setting!r} is not a number") from None


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise LocalProtocolError(f"{path} cannot be read: {error.strerror}") from error
