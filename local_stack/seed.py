"""The description that `manage.py seed_demo` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from local_stack.cast import Cast, User
from local_stack.installation import Secrets
from local_stack.simulators import Identities, Simulator


def describe(
    secrets: Secrets,
    simulators: Sequence[Simulator],
    identities: Mapping[str, Identities],
    cast: Cast,
) -> str:
    return json.dumps(
        {
            "organizations": [asdict(organization) for organization in cast.organizations],
            "users": [_user(user, secrets) for user in cast.users],
            "providers": [
                _provider(simulator, identities[simulator.provider.key]) for simulator in simulators
            ],
        }
    )


def describe_examples(cast: Cast) -> str:
    """What `manage.py seed_examples` reads."""
    return json.dumps(
        {
            "plans": [asdict(plan) for plan in cast.plans],
            "detectors": [asdict(detector) for detector in cast.detectors],
            "channels": [asdict(channel) for channel in cast.channels],
        }
    )


def _user(user: User, secrets: Secrets) -> dict[str, Any]:
    return {
        "username": user.username,
        "password": secrets.passwords[user.username],
        "totp_secret": secrets.totp_secrets[user.username] if user.is_enrolled else None,
        "organization": user.organization,
        "role": user.role,
        "is_staff": user.is_staff,
    }


def _provider(simulator: Simulator, identities: Identities) -> dict[str, Any]:
    return {
        "name": simulator.provider.name,
        "short_name": simulator.provider.short_name,
        "phone": simulator.provider.phone,
        "host": simulator.host,
        "port": simulator.signal_port,
        "server_name": identities.server_name,
        "trust_anchors": identities.trust_anchors,
        "clients": [asdict(client) for client in identities.clients],
    }
