"""Everything `dots_client` raises, as one tree.

DotsError
├── EncodeError(path, reason)          the model contains something that RFC 9132 forbids sending
├── DecodeError(path, reason)          received bytes are not a DOTS message
├── CredentialsError(part, code)       a certificate, key or authority cannot work
├── LocalProtocolError                 the caller requested something that RFC 9132 forbids
│   └── RequestTooLarge(size, limit)   the request does not fit one message of the session
├── RemoteProtocolError                the answer violates RFC 9132
│   └── UnexpectedAnswer(code)         its code does not fit the request
├── Refused(code, diagnostic)          a 4.xx: the same request will be refused again
│   ├── Conflicted(conflict)           4.09, with the conflict information
│   └── HopLimitReached(gateways)      5.08: a loop of gateways
├── ServerUnavailable(retry_after_s)   5.xx: the same request may succeed later
│   ├── Redirected(alt_server, ...)    5.03 with an alternate server
│   └── FiltersFailed(acl_list)        5.03 with filters that could not be switched (RFC 9133)
├── NoAnswer                           no answer before the deadline, despite repeats
├── SessionClosed                      the session ended before the answer
│   └── SessionCrashed                 because of a defect of this client
└── TransportError
    ├── HandshakeFailed                the (D)TLS handshake failed; the text says why
    ├── PeerUnreachable                nothing answered, or the network refused
    ├── AlternateRefused               a redirection to addresses that may not be used
    └── ConnectCrashed                 a defect of this client
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dots_client.failures import FailureKind, kind_of

if TYPE_CHECKING:
    from dots_client.model import ConflictInformation, FilterControl, RedirectedSignal


class DotsError(Exception):
    """Base of all errors of this package."""

    @property
    def kind(self) -> FailureKind:
        """Why there is no session, for programs; OTHER for errors of another kind."""
        return kind_of(self.args[0] if self.args else "")


class _AtPath(DotsError):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


class EncodeError(_AtPath):
    """The model contains something that must not be sent.

    `path` names the attribute, `reason` says why.
    """


class DecodeError(_AtPath):
    """Received bytes are not a DOTS message. `path` names the attribute, `reason` says why."""


class CredentialsError(DotsError):
    """Credentials that cannot work in any session.

    `part` is the field of Credentials, `code` is for programs, `reason` is a sentence.
    """

    def __init__(self, part: str, code: str, reason: str) -> None:
        super().__init__(reason)
        self.part = part
        self.code = code
        self.reason = reason


class LocalProtocolError(DotsError):
    """The caller requested something that RFC 9132 forbids."""


class RequestTooLarge(LocalProtocolError):
    """The request does not fit one message of this session (RFC 9132 section 7.3).

    `size` and `limit` in bytes.
    """

    def __init__(self, size: int, limit: int, *, bound: str) -> None:
        super().__init__(
            f"the request has {size} bytes and {bound} {limit}: "
            "split its targets over several requests"
        )
        self.size = size
        self.limit = limit


class RemoteProtocolError(DotsError):
    """The server's answer violates RFC 9132."""


class UnexpectedAnswer(RemoteProtocolError):
    """A code that does not fit the request, such as 2.31 (Continue); `code` is text like `2.31`."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the server answered with code {code}")
        self.code = code


class Refused(DotsError):
    """The server refused for good: a 4.xx response code (RFC 9132 section 9).

    A 4.29 refuses only for now: `retry_after_s` is its Max-Age in seconds, 60 without the option
    (RFC 8516). For other codes it is None.
    """

    def __init__(
        self, code: str, diagnostic: str = "", *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(f"{code} {diagnostic}".strip())
        self.code = code
        self.diagnostic = diagnostic
        self.retry_after_s = retry_after_s


class Conflicted(Refused):
    """4.09 with conflict-information (RFC 9132 section 4.4.1.3)."""

    def __init__(self, conflict: ConflictInformation) -> None:
        super().__init__("4.09", conflict.cause_in_words)
        self.conflict = conflict


class HopLimitReached(Refused):
    """5.08 (RFC 8768): a loop of gateways, which are named from here to the server."""

    def __init__(self, gateways: tuple[str, ...]) -> None:
        through = ", ".join(gateways) or "gateways that do not give their names"
        super().__init__("5.08", f"the request goes in a loop through {through}")
        self.gateways = gateways


class ServerUnavailable(DotsError):
    """A 5.xx response; `retry_after_s` is its Max-Age in seconds (RFC 7252 5.10.5)."""

    def __init__(self, code: str, diagnostic: str = "", *, retry_after_s: int = 60) -> None:
        super().__init__(f"{code} {diagnostic}".strip())
        self.code = code
        self.diagnostic = diagnostic
        self.retry_after_s = retry_after_s


class Redirected(ServerUnavailable):
    """5.03 with an alternate server (RFC 9132 section 4.6)."""

    def __init__(self, redirect: RedirectedSignal, *, ttl_s: int) -> None:
        super().__init__("5.03", f"use {redirect.alt_server}", retry_after_s=ttl_s)
        self.redirect = redirect


class FiltersFailed(ServerUnavailable):
    """5.03 with filters that could not be switched (RFC 9133 section 3.2.1).

    Retry at once without `acl_list`, with a new mid.
    """

    def __init__(self, acl_list: tuple[FilterControl, ...], *, retry_after_s: int) -> None:
        names = ", ".join(control.acl_name for control in acl_list)
        super().__init__("5.03", f"could not switch {names}", retry_after_s=retry_after_s)
        self.acl_list = acl_list


class NoAnswer(DotsError):
    """A request was repeated until its deadline without an answer."""


class SessionClosed(DotsError):
    """The session ended; whether the request arrived is not known."""


class SessionCrashed(SessionClosed):
    """A defect of this client ended the session.

    `__cause__` is the exception. The log has its traceback.
    """

    def __init__(self, defect: BaseException) -> None:
        super().__init__(client_failed(defect))
        self.__cause__ = defect


class TransportError(DotsError):
    """No session could be made."""


class HandshakeFailed(TransportError):
    """The (D)TLS handshake ended without a session."""


class PeerUnreachable(TransportError):
    """Nothing answered at the address, or the network refused."""


class AlternateRefused(TransportError):
    """DNS has only addresses for an alternate server that we may not use, such as loopback."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is at addresses of another kind than the provisioned server")


class ConnectCrashed(TransportError):
    """A defect of this client prevented a session; `__cause__` is the exception."""


def client_failed(defect: BaseException) -> str:
    """For people: the type of the exception, never its text, which describes our code."""
    return f"this client failed ({type(defect).__name__})"
