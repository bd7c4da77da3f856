"""`portalctl approve` and `decline`: a second person decides about a request that waits."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from portalctl import formatting, private_files
from portalctl.api import Json
from portalctl.errors import RefusedError, UsageError
from portalctl.requests import shown, signed_in
from portalctl.terminal import Terminal

FRESH_FACTOR = "fresh-factor-required"
YES = "yes"


def approve(arguments: argparse.Namespace, terminal: Terminal) -> None:
    """Send what the person saw: the answer names the digest of it, so nothing else is sent."""
    portal, slug = signed_in(arguments, terminal)
    preview = arguments.preview
    if not preview:
        found = portal.request(slug, arguments.id)
        preview = _confirmed(found, terminal)
    decided = _with_fresh_factor(
        lambda: portal.act(slug, arguments.id, "approve", {"preview": preview}),
        arguments,
        terminal,
    )
    shown(decided, arguments, terminal)


def decline(arguments: argparse.Namespace, terminal: Terminal) -> None:
    portal, slug = signed_in(arguments, terminal)
    decided = _with_fresh_factor(
        lambda: portal.act(slug, arguments.id, "decline", {"reason": arguments.reason}),
        arguments,
        terminal,
    )
    shown(decided, arguments, terminal)


def _confirmed(found: Json, terminal: Terminal) -> str:
    """The digest of what the person has read and confirmed."""
    approval = found.get("approval")
    if not approval or found["status"] != "awaiting_approval":
        raise RefusedError("This request does not wait for approval.")
    if not terminal.is_interactive():
        raise UsageError(
            "--preview: Name what you approve: approval.preview of portalctl show ID --json"
        )
    terminal.note(f"{formatting.plain(found['name'])} would send:")
    for line in approval["lines"]:
        terminal.note(f"  {formatting.plain(line)}")
    if terminal.ask(f"Write “{YES}” to send it: ").strip().lower() != YES:
        raise UsageError("Nothing was sent.")
    return str(approval["preview"])


def _with_fresh_factor(
    act: Callable[[], Json], arguments: argparse.Namespace, terminal: Terminal
) -> Json:
    """The answer of `act`, with a new code if the portal wants one and a person can type it."""
    try:
        return act()
    except RefusedError as error:
        is_wanted = (error.body or {}).get("code") == FRESH_FACTOR
        if not is_wanted or not terminal.is_interactive():
            raise
    saved = private_files.load(terminal.environ)
    portal, _ = signed_in(arguments, terminal)
    portal.step_up(terminal.ask_secret("Code: "), saved.device_token)
    return act()
