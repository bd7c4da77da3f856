"""`portalctl list`, `show`, `request`, `watch`, `extend` and `terminate`."""

from __future__ import annotations

import argparse
import uuid

from portalctl import formatting, private_files
from portalctl.api import Json, Portal, decoded
from portalctl.arguments import targets
from portalctl.errors import CommandError, RefusedError, UnreachableError
from portalctl.news import News
from portalctl.pauses import pause_s
from portalctl.problems import error_of
from portalctl.terminal import Terminal
from portalctl.web import Answer

TOO_MANY = 429


def list_requests(arguments: argparse.Namespace, terminal: Terminal) -> None:
    portal, slug = signed_in(arguments, terminal)
    found = portal.requests(slug, arguments.status, arguments.limit)
    if arguments.json:
        terminal.say_json(found)
    elif found:
        terminal.say(formatting.table(found))
    else:
        terminal.note("There is no such request.")


def show(arguments: argparse.Namespace, terminal: Terminal) -> None:
    portal, slug = signed_in(arguments, terminal)
    shown(portal.request(slug, arguments.id), arguments, terminal)


def request(arguments: argparse.Namespace, terminal: Terminal) -> None:
    """Submit it. After a broken connection the same key makes a repeat harmless."""
    portal, slug = signed_in(arguments, terminal)
    body: Json = {"targets": targets(arguments.targets)}
    if arguments.lifetime is not None:
        body["lifetime"] = arguments.lifetime
    if arguments.reason:
        body["reason"] = arguments.reason
    if arguments.replace:
        body["replaces"] = arguments.replace
    key = arguments.idempotency_key or str(uuid.uuid4())
    try:
        submitted = portal.submit(slug, body, key)
    except UnreachableError as error:
        raise UnreachableError(
            f"{error}\nThe portal may have taken the request. To find out without asking twice, "
            f"repeat the command with --idempotency-key {key}"
        ) from error
    shown(submitted, arguments, terminal)


def terminate(arguments: argparse.Namespace, terminal: Terminal) -> None:
    portal, slug = signed_in(arguments, terminal)
    shown(portal.act(slug, arguments.id, "terminate", None), arguments, terminal)


def extend(arguments: argparse.Namespace, terminal: Terminal) -> None:
    portal, slug = signed_in(arguments, terminal)
    body = {"lifetime": arguments.lifetime}
    shown(portal.act(slug, arguments.id, "extend", body), arguments, terminal)


def watch(arguments: argparse.Namespace, terminal: Terminal) -> None:
    """One line per change, until the request is over or has the wanted status.

    It waits for a portal that is away as long as it takes.
    """
    portal, slug = signed_in(arguments, terminal)
    news = News(lambda: portal.event_socket(slug), arguments.interval, terminal.sleep)
    try:
        _watch(portal, slug, news, arguments, terminal)
    finally:
        news.close()


def _watch(
    portal: Portal, slug: str, news: News, arguments: argparse.Namespace, terminal: Terminal
) -> None:
    seen: dict[str, str] = {}
    failures = 0
    while True:
        try:
            answer = portal.look(slug, arguments.id)
            found = _request_in(answer)
        except UnreachableError as error:
            failures += 1
            if failures == 1:
                terminal.note(f"{error} Trying again until it answers.")
            terminal.sleep(pause_s(failures))
            continue
        if found is None:
            terminal.sleep(pause_s(1, answer.retry_after_s or 1))
            continue
        if failures:
            terminal.note("The portal answers again.")
        failures = 0
        seen = _say_changes(seen, found, arguments, terminal)
        if arguments.until and found["status"] in arguments.until:
            return
        if formatting.is_over(found):
            if arguments.until:
                wanted = " or ".join(arguments.until)
                raise RefusedError(f"The request ended before it was {wanted}.")
            return
        news.wait(arguments.id)


def _request_in(answer: Answer) -> Json | None:
    """The request; None: the portal asks to slow down.

    :raises CommandError: it is not there, or the token has ended.
    """
    if answer.status == TOO_MANY:
        return None
    if answer.status != 200:
        error: CommandError = error_of(answer)
        # A portal that restarts may fail a call: it is asked again.
        raise UnreachableError(str(error)) if answer.status >= 500 else error
    return decoded(answer)


def _say_changes(
    seen: dict[str, str], found: Json, arguments: argparse.Namespace, terminal: Terminal
) -> dict[str, str]:
    states = formatting.states(found)
    changed = formatting.changes(seen, states)
    if arguments.json and changed:
        terminal.say_json(found)
    elif not arguments.json:
        terminal.say(changed)
    return states


def signed_in(arguments: argparse.Namespace, terminal: Terminal) -> tuple[Portal, str]:
    saved = private_files.load(terminal.environ)
    portal = Portal(saved.portal, saved.token, terminal.sleep)
    return portal, arguments.organization or saved.organization


def shown(found: Json, arguments: argparse.Namespace, terminal: Terminal) -> None:
    if arguments.json:
        terminal.say_json(found)
    else:
        terminal.say(formatting.details(found))
