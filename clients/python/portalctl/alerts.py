"""`portalctl alert`: one call of an alert endpoint, for scripts of detectors."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

from portalctl import private_files
from portalctl.api import decoded, repeated
from portalctl.errors import UsageError
from portalctl.problems import error_of
from portalctl.terminal import Terminal
from portalctl.web import Answer, call, checked_url

MAX_BODY_BYTES: Final = 256 * 1024
"""What the portal takes."""
NAMES: Final = (
    "id", "state", "vector", "severity", "bps", "pps", "direction", "link", "text",
)  # fmt: skip


def alert(arguments: argparse.Namespace, terminal: Terminal) -> None:
    """Send the options as plain JSON, or the standard input as it is."""
    url = checked_url(arguments.endpoint, "--endpoint")
    secret = endpoint_secret(arguments.secret_file, terminal)
    body = json.dumps(_of_options(arguments)) if arguments.target else _of_input(terminal)
    answer = repeated(lambda: post(url, secret, body.encode()), sleep=terminal.sleep)
    if answer.status != 202:
        raise error_of(answer)
    receipt = decoded(answer)
    if arguments.json:
        terminal.say_json(receipt)
    else:
        terminal.say(f"The portal saved {receipt['accepted']} and reads them next.")
    if receipt["over_limit"]:
        terminal.note(f"Too many came: {receipt['over_limit']} were only counted.")


def post(url: str, secret: str, body: bytes) -> Answer:
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    return call("POST", url, body=body, headers=headers)


def endpoint_secret(path: Path | None, terminal: Terminal) -> str:
    """The secret in the file, or else in `secret` beside the configuration."""
    return private_files.secret(path or private_files.folder(terminal.environ) / "secret")


def _of_options(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {name: getattr(arguments, name) for name in NAMES}
    lists = {"targets": arguments.target, "protocols": arguments.protocol, "ports": arguments.port}
    return {name: value for name, value in (given | lists).items() if value not in (None, [])}


def _of_input(terminal: Terminal) -> str:
    if terminal.is_interactive():
        raise UsageError("Give --target, or JSON on the standard input.")
    text = terminal.text(MAX_BODY_BYTES)
    if len(text.encode()) > MAX_BODY_BYTES:
        raise UsageError(f"The standard input is larger than {MAX_BODY_BYTES:,} bytes.")
    if not text.strip():
        raise UsageError("The standard input is empty.")
    return text
