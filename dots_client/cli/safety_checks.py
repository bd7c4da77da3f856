"""Ask the server before a command that could end a mitigation, and after one that should."""

from __future__ import annotations

import asyncio
from typing import Final

from dots_client import (
    Client,
    LocalProtocolError,
    MitigationStatus,
    Refused,
    RemoteProtocolError,
    ServerUnavailable,
)
from dots_client.codec.keys import STATUS_LABELS

STILL_HELD_WITHIN_S: Final = 5.0
"""The wait for an answer after the server confirmed the withdrawal."""

_STARTED: Final = (
    MitigationStatus.IN_PROGRESS,
    MitigationStatus.MITIGATING,
    MitigationStatus.ATTACK_STOPPED,
    MitigationStatus.EXCEEDED_CAPABILITY,
)
_ENDING: Final = (MitigationStatus.TERMINATING, MitigationStatus.TERMINATED)


async def refuse_if_started(client: Client, mid: int) -> None:
    """LocalProtocolError when a lost session has started the preconfigured mitigation `mid`.

    Some servers read a PUT with trigger-mitigation false as an order to stop it. Raises the errors
    of `Client.status()`.
    """
    try:
        status = (await client.status(mid)).status
    except Refused as refusal:
        if refusal.code != "4.04":
            raise
        return
    if status in _STARTED:
        raise LocalProtocolError(
            f"mid {mid} has started ({_label(status)}), "
            "and some servers would stop it on receiving this: "
            "use --even-if-started to send it anyway"
        )


async def refuse_if_still_held(client: Client, mid: int) -> None:
    """RemoteProtocolError if the server holds a mitigation whose withdrawal it confirmed."""
    try:
        async with asyncio.timeout(STILL_HELD_WITHIN_S):
            status = (await client.status(mid)).status
    except (Refused, ServerUnavailable, RemoteProtocolError, TimeoutError):
        return
    if status is not None and status not in _ENDING:
        raise RemoteProtocolError(
            "the server confirmed the withdrawal but still holds it: "
            f"mid {mid} is {_label(status)}. "
            "Repeat its mitigate command with --lifetime 1, or call the provider"
        )


def _label(status: int) -> str:
    is_known = 1 <= status <= len(STATUS_LABELS)
    return STATUS_LABELS[status - 1] if is_known else f"unknown status {status}"
