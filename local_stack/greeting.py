"""What the demo prints for the person at the terminal, and writes for programs to demo.json."""

from __future__ import annotations

import json
import select
import sys
import time
from pathlib import Path

from local_stack.cast import USERS
from local_stack.installation import Secrets, one_time_code
from local_stack.processes import ProcessFailed
from local_stack.stack import Stack

CODE_WORTH_SHOWING_S = 5
ENROLLED = tuple(user.username for user in USERS if user.is_enrolled)


class CannotRun(Exception):
    """A sentence with the reason and what to do."""


def description_of(stack: Stack) -> str:
    """What a program needs to use this demo."""
    enrolled, unenrolled = [], []
    for user in USERS:
        described: dict[str, str | None] = {
            "username": user.username,
            "password": stack.secrets.passwords[user.username],
            "totp_secret": stack.secrets.totp_secrets[user.username],
            "organization": user.organization or None,
            "role": user.role,
        }
        if user.is_enrolled:
            enrolled.append(described)
        else:
            unenrolled.append(described | {"totp_secret": None})
    description = {
        "url": stack.url,
        "users": enrolled,
        "unenrolled_users": unenrolled,
        "providers": [
            {
                "name": simulator.provider.name,
                "signal": simulator.signal,
                "control": simulator.control_url,
            }
            for simulator in stack.simulators
        ],
    }
    return json.dumps(description, indent=2)


def greet(stack: Stack) -> None:
    print(f"\nThe portal is at {stack.url}\n")
    print(f"  {'user':<10}{'password':<24}{'organization':<14}role")
    for user in USERS:
        note = "" if user.is_enrolled else ", without a second factor yet"
        print(
            f"  {user.username:<10}{stack.secrets.passwords[user.username]:<24}"
            f"{user.organization or '–':<14}{user.role}{note}"
        )
    print()
    _print_codes(stack.secrets, USERS[0].username)
    print(f"  Its secret for an authenticator app: {stack.secrets.totp_secrets[USERS[0].username]}")
    print("  A new code, for any of them: scripts/demo --code alice", end="")
    print(", or press Enter here" if sys.stdin.isatty() else "")
    print("\nThe providers are simulated:")
    for simulator in stack.simulators:
        print(
            f"  {simulator.provider.name:<22}{simulator.signal:<18}control {simulator.control_url}"
        )
    print("\nA detector of acme reports an attack: the page Now shows what the portal proposes.")
    print("Notices about acme are printed here (Settings › Notices, This terminal).")
    print(f"The portal sends no mail: each one is a file in {stack.mail}.")
    print(f"Logs are in {stack.directory / 'log'}. Ctrl-C stops everything.", flush=True)


def _print_codes(secrets: Secrets, *usernames: str) -> None:
    for username in usernames:
        code, left_s = one_time_code(secrets.totp_secrets[username])
        if left_s < CODE_WORTH_SHOWING_S:
            # The portal accepts the next code a moment early, so there is no hurry.
            code, left_s = one_time_code(secrets.totp_secrets[username], time.time() + left_s)
        print(f"  One-time code of {username}, for the next {left_s} s: {code}", flush=True)


def print_code_of(username: str, state: Path) -> None:
    if username not in ENROLLED:
        raise CannotRun(f"{username} has no one-time code. These have: {', '.join(ENROLLED)}.")
    kept = state / "secrets.json"
    if not kept.exists():
        raise CannotRun("There is no demo here yet. Start it with: scripts/demo")
    _print_codes(Secrets(**json.loads(kept.read_text())), username)


def answer_enter(stack: Stack) -> None:
    """Print the current codes when the user presses Enter."""
    if sys.stdin.isatty() and select.select([sys.stdin], [], [], 0)[0] and sys.stdin.readline():
        _print_codes(stack.secrets, *ENROLLED)


def print_line(name: str, line: str) -> None:
    print(f"{name:>10} | {line}", flush=True)


def print_notice(title: str) -> None:
    print_line("notice", title)


def explain(failure: ProcessFailed) -> None:
    print(f"\nThe demo stopped: {failure}.", file=sys.stderr)
    if failure.last_lines:
        print("Last log lines:", file=sys.stderr)
        for line in failure.last_lines:
            print(f"  {line}", file=sys.stderr)
    print(f"The full log is in {failure.log_path}.", file=sys.stderr)
