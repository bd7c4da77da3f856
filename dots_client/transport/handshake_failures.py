"""The words for a handshake, or a session, that (D)TLS ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from OpenSSL import SSL

from dots_client.failures import FailureKind, FailureText
from dots_client.transport.certificate_verification import Verification

_ALERTS: Final[Mapping[str, str]] = {
    "unknown ca": "the {peer} does not trust the authority that signed our certificate",
    "certificate expired": "the {peer} says that our certificate has expired",
    "certificate revoked": "the {peer} says that our certificate was revoked",
    "bad certificate": "the {peer} refused our certificate",
    "unsupported certificate": "the {peer} refused our certificate: issued for another purpose",
    "certificate unknown": "the {peer} refused our certificate",
    "certificate required": "the {peer} requires a certificate and got none",
    "access denied": "the {peer} knows our certificate and denies access",
    "handshake failure": "the {peer} refused the handshake: it may require another certificate, "
    "or share no cipher suite with us",
    "no application protocol": "the {peer} does not serve CoAP there (ALPN)",
    "protocol version": "the {peer} does not speak {protocol}",
}
_UNEXPECTED_EOF: Final = "unexpected eof while reading"
_LOCAL_REASONS: Final[Mapping[str, str]] = {
    "peer did not return a certificate": "the {peer} sent no certificate",
    "no shared cipher": "the {peer} shares no cipher suite with us",
    "unsupported protocol": "the {peer} does not speak {protocol}",
    "wrong version number": "the {peer} does not speak {protocol}",
    "http request": "the {peer} does not speak {protocol}",
    _UNEXPECTED_EOF: "the {peer} closed the connection unexpectedly",
}


_KINDS: Final[Mapping[str, FailureKind]] = {
    **dict.fromkeys(
        (
            "unknown ca",
            "certificate expired",
            "certificate revoked",
            "bad certificate",
            "unsupported certificate",
            "certificate unknown",
            "certificate required",
            "access denied",
        ),
        FailureKind.REFUSED_CERTIFICATE,
    ),
    **dict.fromkeys(
        (
            "no application protocol",
            "protocol version",
            "unsupported protocol",
            "wrong version number",
            "http request",
        ),
        FailureKind.NOT_DOTS,
    ),
    "peer did not return a certificate": FailureKind.BAD_CERTIFICATE,
}
"""By alert and by reason; what is missing says too little."""


def failure_in_words(
    error: SSL.Error, verification: Verification, *, is_in_session: bool = False
) -> str:
    """Why a handshake, or the session after it, ended, as text for a person who can fix it."""
    if verification.problem is not None:
        return verification.problem
    peer, protocol = verification.peer, verification.protocol
    what = "session" if is_in_session else "handshake"
    reasons = reasons_of(error)
    for reason in reasons:
        _, is_alert, alert = reason.rpartition("alert ")
        if alert in _ALERTS:
            text = _ALERTS[alert].format(peer=peer, protocol=protocol)
            return FailureText(text, _KINDS.get(alert, FailureKind.OTHER))
        if is_alert:
            return f"the {peer} ended the {what}: {alert}"
        # In a session, all other reasons have one cause: the data that arrived is not what the peer
        # sent.
        if reason in _LOCAL_REASONS and (not is_in_session or reason == _UNEXPECTED_EOF):
            text = _LOCAL_REASONS[reason].format(peer=peer, protocol=protocol)
            return FailureText(text, _KINDS.get(reason, FailureKind.OTHER))
    if isinstance(error, SSL.ZeroReturnError):
        return f"the {peer} ended the {what}"
    if is_in_session:
        return f"what arrived from the {peer} was damaged or forged"
    if reasons:
        return f"the {what} failed: {'; '.join(reasons)}"
    text = f"the {what} failed: what arrived from the {peer} cannot be read as {protocol}"
    return FailureText(text, FailureKind.NOT_DOTS)


def reasons_of(error: SSL.Error) -> list[str]:
    """The reasons that OpenSSL gives; may be empty."""
    has_reasons = bool(error.args) and isinstance(error.args[0], list)
    return [entry[2] for entry in error.args[0] if entry[2]] if has_reasons else []
