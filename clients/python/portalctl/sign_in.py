"""`portalctl sign-in` and `sign-out`."""

from __future__ import annotations

import argparse
import platform
from typing import Final

from portalctl import private_files
from portalctl.api import Json, Portal
from portalctl.errors import RefusedError, UsageError
from portalctl.private_files import Saved
from portalctl.terminal import Terminal
from portalctl.web import checked_url

MAX_INPUT: Final = 4096
MAX_DEVICE_NAME: Final = 64


def sign_in(arguments: argparse.Namespace, terminal: Terminal) -> None:
    """Save a token: of a new session, or the one on the standard input, once the portal took it."""
    url = checked_url(arguments.portal, "--portal")
    if arguments.token_from_stdin:
        token = private_files.sendable(terminal.text(MAX_INPUT), "the standard input")
        saved = _with_token(url, token, arguments.organization, terminal)
    else:
        saved = _with_password(url, arguments.organization, terminal)
    path = private_files.store(saved, terminal.environ)
    if arguments.json:
        terminal.say_json({"portal": saved.portal, "organization": saved.organization})
    else:
        terminal.say(f"Signed in to {saved.portal} for {saved.organization}. Saved in {path}.")


def sign_out(arguments: argparse.Namespace, terminal: Terminal) -> None:
    """End the session and forget the token. Made elsewhere, a token is only forgotten."""
    saved = private_files.load(terminal.environ)
    if saved.is_session:
        try:
            Portal(saved.portal, saved.token, terminal.sleep).sign_out()
        except RefusedError as error:
            if (error.body or {}).get("code") != "not-signed-in":
                raise
    private_files.forget(terminal.environ)
    if arguments.json:
        terminal.say_json({"portal": saved.portal, "revoked": saved.is_session})
    elif saved.is_session:
        terminal.say("Signed out.")
    else:
        terminal.say("The token is forgotten here. It stays valid until you revoke it there.")


def _with_token(url: str, token: str, organization: str, terminal: Terminal) -> Saved:
    portal = Portal(url, token, terminal.sleep)
    if organization:
        # A service token belongs to no person, so it cannot ask who it is.
        portal.requests(organization, [], 1)
    else:
        organization = _only_organization(portal.me())
    return Saved(url, token, organization, is_session=False)


def _with_password(url: str, organization: str, terminal: Terminal) -> Saved:
    if not terminal.is_interactive():
        raise UsageError("A password needs a terminal. For a program, use --token-from-stdin.")
    body = {
        "username": terminal.ask("Name: "),
        "password": terminal.ask_secret("Password: "),
        "otp": terminal.ask_secret("Code: "),
        "device_name": f"portalctl on {platform.node()}"[:MAX_DEVICE_NAME],
    }
    if device_token := _earlier_device_token(url, terminal):
        body["device_token"] = device_token
    issued = Portal(url, sleep=terminal.sleep).sign_in(body)
    token, device_token = str(issued["token"]), str(issued["device_token"])
    portal = Portal(url, token, terminal.sleep)
    try:
        chosen = _only_organization(portal.me(), organization)
    except UsageError:
        portal.sign_out()
        raise
    return Saved(url, token, chosen, is_session=True, device_token=device_token)


def _earlier_device_token(url: str, terminal: Terminal) -> str:
    try:
        saved = private_files.load(terminal.environ)
    except UsageError:
        return ""
    return saved.device_token if saved.portal == url else ""


def _only_organization(me: Json, wanted: str = "") -> str:
    slugs = [str(one["organization"]["slug"]) for one in me["memberships"]]
    if wanted and wanted in slugs:
        return wanted
    if len(slugs) == 1 and not wanted:
        return slugs[0]
    if not slugs:
        raise UsageError("You are a member of no organization.")
    raise UsageError(f"--organization: Choose one of: {', '.join(slugs)}")
