"""The asyncio API of a DOTS client."""

from __future__ import annotations

from dots_client.client.client import Client
from dots_client.client.connection import connect
from dots_client.client.identifiers import request_with_any_cuid, roll_over
from dots_client.client.settings import ClientSettings, Server

__all__ = ["Client", "ClientSettings", "Server", "connect", "request_with_any_cuid", "roll_over"]
