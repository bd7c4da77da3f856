"""The command `codec`: bodies as JSON and as CBOR."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TextIO

from dots_client import DecodeError, LocalProtocolError, from_json, to_json
from dots_client.codec.check import check_body
from dots_client.codec.keys import Sender

_SENDERS = {"client": Sender.CLIENT, "server": Sender.SERVER}


def translate(arguments: argparse.Namespace, stdin: TextIO, stdout: TextIO) -> None:
    """Translate one body.

    Raises DecodeError, EncodeError or LocalProtocolError if that is not possible.
    """
    text = _text(arguments.file, stdin)
    sender = _SENDERS[arguments.sender]
    if arguments.to_cbor:
        body = from_json(_json(text))
        check_body(body, sender=sender)
        stdout.write(f"{body.hex()}\n")
    else:
        body = _bytes(text)
        stdout.write(f"{json.dumps(to_json(body), indent=1, ensure_ascii=False)}\n")
        check_body(body, sender=sender)


def _text(name: str, stdin: TextIO) -> str:
    try:
        return stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise LocalProtocolError(f"{name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LocalProtocolError(f"{name} is not text in UTF-8") from error


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise LocalProtocolError(f"not JSON: {error}") from error


def _bytes(text: str) -> bytes:
    try:
        body = bytes.fromhex(text)
    except ValueError as error:
        raise LocalProtocolError(f"not hexadecimal: {error}") from error
    if not body:
        raise DecodeError("", "there are no bytes")
    return body
