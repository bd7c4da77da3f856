"""All changes that an organization's admins make to its connections with providers."""

from __future__ import annotations

from portal.connections.services.connection_tests import (
    ask_test,
    end_test,
    save_steps,
    take_due_tests,
)
from portal.connections.services.disconnect import disconnect, needed_by
from portal.connections.services.keys import (
    add_certificate,
    add_identity,
    discard_key,
    make_key,
    provider_for,
    subscription_for,
    switch_identity,
    waiting_key,
)
from portal.connections.services.order import move, place, set_asked

__all__ = [
    "add_certificate",
    "add_identity",
    "ask_test",
    "discard_key",
    "disconnect",
    "end_test",
    "make_key",
    "move",
    "needed_by",
    "place",
    "provider_for",
    "save_steps",
    "set_asked",
    "subscription_for",
    "switch_identity",
    "take_due_tests",
    "waiting_key",
]
