"""Check whether a client, or a server, may send a body."""

from __future__ import annotations

from dots_client.codec import keys
from dots_client.codec.cbor import Tree
from dots_client.codec.keys import Sender
from dots_client.codec.messages import (
    decode_config,
    decode_config_request,
    decode_efficacy,
    decode_heartbeat,
    decode_mitigations,
    decode_redirect,
    decode_request,
    encode_config,
)
from dots_client.codec.reader import unpack, unpack_answer
from dots_client.errors import DecodeError


def check_body(data: bytes, *, sender: Sender) -> None:
    """Raise DecodeError or EncodeError with the attribute that `sender` may not send.

    A client's mitigation with attack-status counts as an efficacy update. Everything that a client
    would leave out of an answer counts as an error here.
    """
    tree = _tree(data, sender)
    match tuple(tree):
        case (keys.MITIGATION_SCOPE,) if sender is Sender.SERVER:
            decode_mitigations(data)
        case (keys.MITIGATION_SCOPE,):
            entries = tree[keys.MITIGATION_SCOPE].get("scope", [])
            if any("attack-status" in entry for entry in entries):
                decode_efficacy(data, lifetime=1)
            else:
                decode_request(data)
        case (keys.SIGNAL_CONFIG,) if sender is Sender.SERVER:
            decode_config(data)
        case (keys.SIGNAL_CONFIG,):
            encode_config(decode_config_request(data))
        case (keys.HEARTBEAT_MESSAGE,):
            decode_heartbeat(data)
        case (keys.REDIRECTED_SIGNAL,):
            decode_redirect(data)
        case _:
            raise DecodeError("", "the body must have exactly one of the four messages in it")


def _tree(data: bytes, sender: Sender) -> Tree:
    if sender is Sender.CLIENT:
        return unpack(data, sender=sender)
    tree, not_read = unpack_answer(data)
    if not_read:
        raise DecodeError("", not_read[0])
    return tree
