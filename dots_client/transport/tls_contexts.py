"""What we offer and accept in a (D)TLS handshake: versions, cipher suites, certificates.

RFC 9132 section 7.1, RFC 9325.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from dots_client.errors import HandshakeFailed
from dots_client.identity import Credentials
from dots_client.text import clean_text
from dots_client.transport.certificate_verification import verify
from dots_client.transport.handshake_failures import reasons_of

DTLS_1_2: Final = 0xFEFD
ALPN: Final = b"coap"
"""RFC 8323 section 8.2."""
MODE_NO_AUTO_CHAIN: Final = 0x8
"""SSL_MODE_NO_AUTO_CHAIN, which pyOpenSSL does not name: send no trust anchor in our chain."""
SESSION_CONTEXT: Final = b"dots"
"""Without it OpenSSL refuses every resumption by a client with a certificate."""
TICKET_LIFETIME_S: Final = 86400
CIPHER_SUITES: Final = b":".join(
    (
        # RFC 9325 section 4.2, in its order; ephemeral keys and authenticated encryption only.
        b"ECDHE-ECDSA-AES128-GCM-SHA256",
        b"ECDHE-ECDSA-AES256-GCM-SHA384",
        b"ECDHE-RSA-AES128-GCM-SHA256",
        b"ECDHE-RSA-AES256-GCM-SHA384",
        b"ECDHE-ECDSA-CHACHA20-POLY1305",
        b"ECDHE-RSA-CHACHA20-POLY1305",
        # For small servers that support nothing else.
        b"ECDHE-ECDSA-AES128-CCM",
    )
)
TLS_1_3_CIPHER_SUITES: Final = (
    b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
)
MAX_SHARED: Final = 256
"""Contexts kept for reuse, two for each set of authorities; the one used longest ago goes first."""
_PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_OWN_PROBLEMS: Final[Mapping[str, str]] = {
    "key values mismatch": "our private key does not belong to our certificate",
    "key type mismatch": "our private key does not belong to our certificate",
    "ee key too small": "the key of our certificate is too short",
    "ca key too small": "the key of a certificate in our chain is too short",
    "ca md too weak": "our certificate is signed with a hash that is no longer secure",
}


@dataclass(frozen=True, slots=True)
class ClientContext:
    """What a client's connections begin with. All clients of a process with the same authorities
    share one OpenSSL context: to make one takes longer than a connection does.
    """

    shared: SSL.Context
    certificate: x509.Certificate
    private_key: _PrivateKey

    def connection(self) -> SSL.Connection:
        connection = SSL.Connection(self.shared)
        connection.use_certificate(self.certificate)
        connection.use_privatekey(self.private_key)
        return connection


def client_context(credentials: Credentials, *, resumes: bool = False) -> ClientContext:
    """For DTLS. HandshakeFailed if the credentials cannot be used."""
    return _client_context(credentials, SSL.DTLS_METHOD, has_tickets=resumes)


def tls_client_context(credentials: Credentials, *, resumes: bool = False) -> ClientContext:
    """For TLS. HandshakeFailed if the credentials cannot be used."""
    return _client_context(credentials, SSL.TLS_METHOD, has_tickets=resumes)


def _client_context(credentials: Credentials, method: int, *, has_tickets: bool) -> ClientContext:
    with _own_problems():
        leaf, *intermediates = x509.load_pem_x509_certificates(credentials.certificate_chain)
        shared = _shared_context(
            method,
            tuple(intermediates),
            credentials.trust_anchors,
            credentials.revocation_lists,
            has_tickets=has_tickets,
        )
        context = ClientContext(shared, leaf, _private_key(credentials.private_key))
        # OpenSSL reads the certificate and the key only when a connection gets them.
        context.connection()
    return context


@lru_cache(maxsize=MAX_SHARED)
def _shared_context(
    method: int,
    intermediates: tuple[x509.Certificate, ...],
    trust_anchors: bytes,
    revocation_lists: bytes,
    *,
    has_tickets: bool,
) -> SSL.Context:
    context = _new_context(method, has_tickets=has_tickets)
    _set_authorities(context, intermediates, trust_anchors, revocation_lists)
    context.set_verify(SSL.VERIFY_PEER, verify)
    if method == SSL.TLS_METHOD:
        context.set_alpn_protos([ALPN])
    return context


def tls_server_context(
    credentials: Credentials, *, require_client_certificate: bool, hands_out_tickets: bool = False
) -> SSL.Context:
    context = _server_context(credentials, SSL.TLS_METHOD, has_tickets=hands_out_tickets)
    _configure_server(context, require_client_certificate=require_client_certificate)
    context.set_alpn_select_callback(
        lambda _connection, offered: ALPN if ALPN in offered else SSL.NO_OVERLAPPING_PROTOCOLS
    )
    return context


def server_context(
    credentials: Credentials,
    *,
    require_client_certificate: bool,
    cookie: Callable[[bytes], bytes],
    hands_out_tickets: bool = False,
) -> SSL.Context:
    """The context of a DTLS server, whose cookies are `cookie(address)`."""
    context = _server_context(credentials, SSL.DTLS_METHOD, has_tickets=hands_out_tickets)
    _configure_server(context, require_client_certificate=require_client_certificate)
    context.set_cookie_generate_callback(
        lambda connection: cookie(connection.get_app_data().address)
    )
    context.set_cookie_verify_callback(
        lambda connection, received: hmac.compare_digest(
            received, cookie(connection.get_app_data().address)
        )
    )
    return context


def _configure_server(context: SSL.Context, *, require_client_certificate: bool) -> None:
    mode = SSL.VERIFY_PEER
    if require_client_certificate:
        mode |= SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    context.set_verify(mode, verify)
    context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_session_id(SESSION_CONTEXT)
    context.set_timeout(TICKET_LIFETIME_S)


def _server_context(credentials: Credentials, method: int, *, has_tickets: bool) -> SSL.Context:
    context = _new_context(method, has_tickets=has_tickets)
    with _own_problems():
        leaf, *intermediates = x509.load_pem_x509_certificates(credentials.certificate_chain)
        context.use_certificate(leaf)
        context.use_privatekey(_private_key(credentials.private_key))
        context.check_privatekey()
        _set_authorities(
            context,
            tuple(intermediates),
            credentials.trust_anchors,
            credentials.revocation_lists,
        )
    return context


def _new_context(method: int, *, has_tickets: bool) -> SSL.Context:
    context = SSL.Context(method)
    if method == SSL.DTLS_METHOD:
        context.set_min_proto_version(DTLS_1_2)
        context.set_options(SSL.OP_NO_QUERY_MTU)
    else:
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_tls13_ciphersuites(TLS_1_3_CIPHER_SUITES)
    context.set_cipher_list(CIPHER_SUITES)
    if not has_tickets:
        context.set_options(SSL.OP_NO_TICKET)
    context.set_options(SSL.OP_NO_RENEGOTIATION)
    context.set_mode(MODE_NO_AUTO_CHAIN | SSL.MODE_RELEASE_BUFFERS)
    # Only clients save sessions (see `resumption`). A server keeps no state for them.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    return context


def _set_authorities(
    context: SSL.Context,
    intermediates: tuple[x509.Certificate, ...],
    trust_anchors: bytes,
    revocation_lists: bytes,
) -> None:
    for intermediate in intermediates:
        context.add_extra_chain_cert(intermediate)
    store = context.get_cert_store()
    assert store is not None
    for anchor in x509.load_pem_x509_certificates(trust_anchors):
        store.add_cert(crypto.X509.from_cryptography(anchor))
    for revocation_list in _revocation_lists(revocation_lists):
        store.add_crl(revocation_list)
        store.set_flags(crypto.X509StoreFlags.CRL_CHECK)


@contextmanager
def _own_problems() -> Iterator[None]:
    """Raise HandshakeFailed for credentials of ours that cannot be used."""
    try:
        yield
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise HandshakeFailed(
            f"our own credentials cannot be read: {clean_text(str(error))}"
        ) from error
    except SSL.Error as error:
        raise HandshakeFailed(_own_problem(error)) from error


def _own_problem(error: SSL.Error) -> str:
    reasons = reasons_of(error)
    for reason in reasons:
        if reason in _OWN_PROBLEMS:
            return _OWN_PROBLEMS[reason]
    return f"our own credentials cannot be used: {'; '.join(reasons) or 'OpenSSL refuses them'}"


def _revocation_lists(pem: bytes) -> list[x509.CertificateRevocationList]:
    end = b"-----END X509 CRL-----"
    return [x509.load_pem_x509_crl(part + end) for part in pem.split(end)[:-1]]


def _private_key(pem: bytes) -> _PrivateKey:
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TypeError("the private key is neither an elliptic-curve nor an RSA key")
    return key
