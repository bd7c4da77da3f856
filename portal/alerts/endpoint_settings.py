"""What an admin sets for an endpoint, beside its name and its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

MAX_HOSTS: Final = 100
"""Maximum names of web servers of one endpoint."""
MAX_NOTICES: Final = 50


@dataclass(frozen=True, slots=True)
class HostTarget:
    """A web server's name, and the resource behind it."""

    host: str
    "in lower case"
    resource: UUID
