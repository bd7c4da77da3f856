"""Conversions between aiocoap's messages and ours."""

from __future__ import annotations

from typing import Final

import aiocoap

from dots_server.messages import Request, Response

KNOWN_CRITICAL_OPTIONS: Final = frozenset({1, 3, 7, 11, 15, 17, 23})
"""If-Match, Uri-Host, Uri-Port, Uri-Path, Uri-Query, Accept, Block2."""


def request_of(message: aiocoap.Message) -> Request:
    return Request(
        method=message.code.name,
        path=message.opt.uri_path,
        queries=message.opt.uri_query,
        payload=message.payload,
        content_format=_plain(message.opt.content_format),
        if_match=message.opt.if_match,
        observe=message.opt.observe,
        hop_limit=_plain(message.opt.hop_limit),
        token=message.token,
    )


def response_of(message: aiocoap.Message) -> Response:
    return Response(
        code=message.code.dotted,
        payload=message.payload,
        content_format=_plain(message.opt.content_format),
        max_age=message.opt.max_age,
        observe=message.opt.observe,
    )


def message_of(response: Response) -> aiocoap.Message:
    group, _, detail = response.code.partition(".")
    code = aiocoap.Code(int(group) << 5 | int(detail))
    message = aiocoap.Message(code=code, payload=response.payload)
    message.opt.content_format = response.content_format
    message.opt.max_age = response.max_age
    message.opt.observe = response.observe
    return message


def unknown_critical_option(message: aiocoap.Message) -> int | None:
    """Its number (RFC 7252 section 5.4.1); aiocoap leaves this check to the resource."""
    for option in message.opt.option_list():
        if option.number.is_critical() and option.number not in KNOWN_CRITICAL_OPTIONS:
            return int(option.number)
    return None


def _plain(value: int | None) -> int | None:
    """The number behind an enumeration of aiocoap."""
    return None if value is None else int(value)
