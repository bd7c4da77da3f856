"""Checks of what a person typed into the fields of a channel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from portal.core.errors import Invalid
from portal.notifications.channels.channel import ChannelField
from portal.ownership.chosen_url import literal_address, may_contact, network_with

MAX_URL_LENGTH: Final = 500
REGIONS: Final = ("us", "eu")
"""Of services that save data in one of two places."""
REGION: Final = ChannelField(
    name="region",
    label="Region",
    help_text="us or eu. Empty: us.",
    is_required=False,
    max_length=2,
)


def check_url(values: Mapping[str, str], field: str) -> SplitResult:
    """An absolute https address without credentials. Http and addresses that are not public only
    as PORTAL_NOTICE_NETWORKS allows. The addresses of a name are checked at each call.
    """
    typed = values.get(field, "")
    try:
        url = urlsplit(typed)
        host, _ = url.hostname or "", url.port
    except ValueError:
        raise Invalid.at(field, "not-a-url", "This is no web address.") from None
    if url.scheme not in ("https", "http") or not host or not _is_plain(typed):
        raise Invalid.at(
            field, "not-a-url", "Type a whole address, such as https://example.com/hook."
        )
    if url.username is not None or url.password is not None:
        raise Invalid.at(
            field, "has-credentials", "Leave the name and the password out of the address."
        )
    if url.fragment:
        raise Invalid.at(field, "has-fragment", "Leave out # and everything after it.")
    address = literal_address(host)
    network = network_with(settings.PORTAL_NOTICE_NETWORKS)
    if url.scheme == "http" and not (address and may_contact("http", address, network)):
        raise Invalid.at(field, "not-https", "The address has to begin with https://.")
    if address and not may_contact(url.scheme, address, network):
        raise Invalid.at(field, "not-public", f"{address} is not a public address.")
    return url


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def check_server(values: Mapping[str, str], field: str) -> str:
    """The address of a person's own server, without a slash at the end."""
    url = check_url(values, field)
    if url.query:
        raise Invalid.at(field, "not-a-server", "Leave out ? and everything after it.")
    return values[field].rstrip("/")


def check_pattern(
    values: Mapping[str, str], field: str, pattern: re.Pattern[str], message: str
) -> str:
    """The value, if the whole of it matches."""
    value = values.get(field, "")
    if not pattern.fullmatch(value):
        raise Invalid.at(field, "bad-value", message)
    return value


def check_region(values: Mapping[str, str]) -> str:
    """`us` or `eu`; `us` if it was left empty."""
    region = values.get(REGION.name, "").lower() or REGIONS[0]
    if region not in REGIONS:
        raise Invalid.at(REGION.name, "not-a-choice", "Type us or eu.")
    return region
