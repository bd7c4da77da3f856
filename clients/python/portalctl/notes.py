"""`portalctl note` and `take-over`."""

from __future__ import annotations

import argparse
import uuid
from typing import Final

from portalctl import formatting
from portalctl.errors import UnreachableError
from portalctl.requests import shown, signed_in
from portalctl.terminal import Terminal

MAX_INPUT: Final = 4096


def note(arguments: argparse.Namespace, terminal: Terminal) -> None:
    """Write it. After a broken connection the same key makes a repeat harmless."""
    portal, slug = signed_in(arguments, terminal)
    text = arguments.text if arguments.text is not None else terminal.text(MAX_INPUT)
    key = arguments.idempotency_key or str(uuid.uuid4())
    try:
        written = portal.note(slug, arguments.id, text, key)
    except UnreachableError as error:
        raise UnreachableError(
            f"{error}\nThe portal may have saved the note. To be sure without writing it twice, "
            f"repeat the command with --idempotency-key {key}"
        ) from error
    if arguments.json:
        terminal.say_json(written)
    else:
        terminal.say(formatting.note(written))


def take_over(arguments: argparse.Namespace, terminal: Terminal) -> None:
    portal, slug = signed_in(arguments, terminal)
    shown(portal.act(slug, arguments.id, "take-over", None), arguments, terminal)
