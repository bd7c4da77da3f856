"""Files that only their owner may read: the token, and the secrets of endpoints."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from portalctl.errors import UsageError

MAX_BYTES: Final = 64 * 1024
NOT_SIGNED_IN: Final = "Sign in first: portalctl sign-in --portal https://…"


@dataclass(frozen=True, slots=True)
class Saved:
    """What the commands need after the sign-in."""

    portal: str
    token: str
    organization: str
    is_session: bool
    """The portal issued the token for this sign-in, so the sign-out ends it."""
    device_token: str = ""
    """The portal knows this device by it; other people's failed sign-ins do not slow it down."""


def folder(environ: Mapping[str, str]) -> Path:
    """`$XDG_CONFIG_HOME/portalctl`, which need not exist."""
    configured = environ.get("XDG_CONFIG_HOME", "")
    return (Path(configured) if configured else Path.home() / ".config") / "portalctl"


def read(path: Path) -> str:
    """The text of a private file.

    :raises UsageError: it is missing, too long, no text, or others may read it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"{path}: Others may read this file. Run: chmod 600 {path}")
    if len(content) > MAX_BYTES:
        raise UsageError(f"{path}: The file is larger than {MAX_BYTES:,} bytes.")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: The file is not text.") from error


def secret(path: Path) -> str:
    """The first line of a private file.

    :raises UsageError: as `read`, or the line cannot be sent.
    """
    return sendable(read(path), str(path))


def sendable(text: str, place: str) -> str:
    """A secret without the white space around it.

    :raises UsageError: it is empty, or no header can carry it.
    """
    lines = text.strip().splitlines()
    if len(lines) != 1 or not lines[0].isascii() or not lines[0].isprintable():
        raise UsageError(f"{place}: This must be one line with a token or a secret.")
    return lines[0]


def load(environ: Mapping[str, str]) -> Saved:
    """:raises UsageError: no one has signed in, or the file is damaged."""
    path = folder(environ) / "config.json"
    if not path.exists():
        raise UsageError(NOT_SIGNED_IN)
    damaged = UsageError(f"{path}: The file is damaged. {NOT_SIGNED_IN}")
    try:
        found = json.loads(read(path))
    except ValueError as error:
        raise damaged from error
    names = {field.name for field in fields(Saved)}
    if not isinstance(found, dict) or found.keys() != names:
        raise damaged
    texts = [value for key, value in found.items() if key != "is_session"]
    if not all(isinstance(text, str) for text in texts) or found["is_session"] not in (True, False):
        raise damaged
    return Saved(**found)


def store(saved: Saved, environ: Mapping[str, str]) -> Path:
    """Write the file as a whole or not at all, readable only by its owner."""
    place = folder(environ)
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=place)  # 0600 from the start
        try:
            with os.fdopen(descriptor, "w") as file:
                json.dump(asdict(saved), file, indent=2)
            Path(name).replace(place / "config.json")
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{place}: {error.strerror or error}") from error
    return place / "config.json"


def forget(environ: Mapping[str, str]) -> None:
    (folder(environ) / "config.json").unlink(missing_ok=True)
