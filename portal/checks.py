"""What an installation needs before it can start."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any, TypeAlias

from cryptography.fernet import Fernet
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

from portal import env
from portal.core.leaked_passwords import NotALeakList, check_list

Check: TypeAlias = Callable[[None], list[CheckMessage]]

MIN_SECRET_KEY_LENGTH = 50
_HOST = re.compile(r"\.?[\w-]+(\.[\w-]+)*\.?|\[[0-9A-Fa-f:.]+\]", re.ASCII)
"""What Django can compare with a Host header: a name, a domain with its subdomains (".example"), or
an address.
"""


@register("portal")
def check_secret_key(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    try:
        long_enough = len(settings.SECRET_KEY) >= MIN_SECRET_KEY_LENGTH
    except ImproperlyConfigured:
        long_enough = False
    if long_enough:
        return []
    return [
        Error(
            f"PORTAL_SECRET_KEY is missing or shorter than {MIN_SECRET_KEY_LENGTH} characters.",
            hint="Set PORTAL_SECRET_KEY or PORTAL_SECRET_KEY_FILE; PORTAL_DEBUG=1 for development.",
            id="portal.E001",
        )
    ]


@register("portal")
def check_encryption_keys(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    hint = (
        "Make one with: python -c 'from cryptography.fernet import Fernet; "
        "print(Fernet.generate_key().decode())'"
    )
    if not settings.ENCRYPTION_KEYS:
        return [Error("PORTAL_ENCRYPTION_KEYS is missing.", hint=hint, id="portal.E002")]
    for position, key in enumerate(settings.ENCRYPTION_KEYS, start=1):
        try:
            Fernet(key)
        except ValueError:
            message = (
                f"Key {position} of PORTAL_ENCRYPTION_KEYS is not 32 bytes in URL-safe base64."
            )
            return [Error(message, hint=hint, id="portal.E003")]
    return []


@register("portal")
def check_former_names(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Settings that still have their former name. Each process also logs this once."""
    return [
        Warning(
            f"{former} is the former name of {name}.",
            hint=f"Rename it to {name}: a later release will not read the former name.",
            id="portal.W001",
        )
        for former, name in env.former_names_in_use().items()
    ]


@register("portal")
def check_hosts(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    wrong = [name for name in settings.ALLOWED_HOSTS if not _HOST.fullmatch(name)]
    if settings.DEBUG or (settings.ALLOWED_HOSTS and not wrong):
        return []
    return [
        Error(
            f"PORTAL_HOSTS: {wrong[0]!r} is not one host name."
            if wrong
            else "PORTAL_HOSTS is missing.",
            hint=(
                "Set PORTAL_HOSTS to the names people type, without https:// and port, separated "
                "by commas."
            ),
            id="portal.E004",
        )
    ]


@register("portal")
def check_redis(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    if settings.DEBUG or settings.REDIS_URL:
        return []
    return [
        Error(
            "PORTAL_REDIS_URL is missing: the processes cannot wake each other.",
            hint="Set PORTAL_REDIS_URL, for example redis://127.0.0.1:6379/0.",
            id="portal.E005",
        )
    ]


@register("portal")
def check_metrics(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    if settings.METRICS_ADDRESS is None or settings.METRICS_TOKEN:
        return []
    host, _port = settings.METRICS_ADDRESS
    if host == "localhost" or _is_loopback(host):
        return []
    return [
        Error(
            f"PORTAL_METRICS_ADDRESS: other machines can reach {host}, and PORTAL_METRICS_TOKEN "
            "is missing.",
            hint="Set PORTAL_METRICS_TOKEN, or listen on 127.0.0.1.",
            id="portal.E006",
        )
    ]


@register("portal")
def check_leaked_passwords(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    if not settings.PORTAL_LEAKED_PASSWORDS:
        return []
    try:
        check_list(settings.PORTAL_LEAKED_PASSWORDS)
    except NotALeakList as error:
        return [
            Error(
                f"PORTAL_LEAKED_PASSWORDS: {error}.",
                hint="Name a file with one SHA-1 hash per line, in order, or leave it empty.",
                id="portal.E007",
            )
        ]
    return []


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_to_start(*more: Check) -> None:
    """Servers and workers do not run system checks on their own. `more`: what only some need."""
    needed: list[Check] = [
        check_secret_key,
        check_encryption_keys,
        check_hosts,
        check_redis,
        check_metrics,
    ]
    found = [message for check in [*needed, *more] for message in check(None)]
    if found:
        raise ImproperlyConfigured("\n".join(str(message) for message in found))
