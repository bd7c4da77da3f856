"""The client from a shell: `python -m dots_client`."""

from __future__ import annotations

from dots_client.cli.main import main

__all__ = ["main"]
