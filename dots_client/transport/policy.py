"""What we accept and offer in a (D)TLS handshake, and the words for what went wrong in one."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Final

import service_identity
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto
from service_identity.cryptography import (
    verify_certificate_hostname,
    verify_certificate_ip_address,
)

from dots_client.errors import HandshakeFailed
from dots_client.identity import Credentials
from dots_client.text import clean_text

DTLS_1_2: Final = 0xFEFD
ALPN: Final = b"coap"
"""RFC 8323 section 8.2."""
MODE_NO_AUTO_CHAIN: Final = 0x8
"""SSL_MODE_NO_AUTO_CHAIN, which pyOpenSSL has no name for: send no trust anchor in our chain."""
SESSION_CONTEXT: Final = b"dots"
"""Without one OpenSSL refuses every resumption by a client with a certificate."""
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
        # For small servers that speak nothing else.
        b"ECDHE-ECDSA-AES128-CCM",
    )
)

TLS_1_3_CIPHER_SUITES: Final = (
    b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
)

_UNREADABLE: Final = (
    ValueError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
_UNTRUSTED: Final = "is signed by an authority that is not trusted here"
_CHAIN_PROBLEMS: Final[Mapping[int, str]] = {
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_ISSUER_CERT: _UNTRUSTED,
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY: _UNTRUSTED,
    SSL.X509VerificationCodes.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: _UNTRUSTED,
    SSL.X509VerificationCodes.ERR_SELF_SIGNED_CERT_IN_CHAIN: _UNTRUSTED,
    SSL.X509VerificationCodes.ERR_DEPTH_ZERO_SELF_SIGNED_CERT: _UNTRUSTED,
    SSL.X509VerificationCodes.ERR_CERT_SIGNATURE_FAILURE: _UNTRUSTED,
    SSL.X509VerificationCodes.ERR_CERT_REVOKED: "was revoked",
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_CRL: "cannot be checked: its authority's "
    "revocation list is not here",
    SSL.X509VerificationCodes.ERR_CRL_HAS_EXPIRED: "cannot be checked: its authority's "
    "revocation list is out of date",
    SSL.X509VerificationCodes.ERR_INVALID_PURPOSE: "was issued for another purpose",
    SSL.X509VerificationCodes.ERR_INVALID_CA: "may not sign other certificates",
}

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
_OWN_PROBLEMS: Final[Mapping[str, str]] = {
    "key values mismatch": "our private key does not belong to our certificate",
    "key type mismatch": "our private key does not belong to our certificate",
    "ee key too small": "the key of our certificate is too short",
    "ca key too small": "the key of a certificate in our chain is too short",
    "ca md too weak": "our certificate is signed with a hash that is no longer secure",
}
_BROKEN_OFF: Final = "unexpected eof while reading"
_LOCAL_REASONS: Final[Mapping[str, str]] = {
    "peer did not return a certificate": "the {peer} sent no certificate",
    "no shared cipher": "the {peer} shares no cipher suite with us",
    "unsupported protocol": "the {peer} does not speak {protocol}",
    "wrong version number": "the {peer} does not speak {protocol}",
    "http request": "the {peer} does not speak {protocol}",
    _BROKEN_OFF: "the {peer} broke off",
}


@dataclass(slots=True)
class Verification:
    """What the callbacks of OpenSSL must know of one connection, and what they found."""

    peer: str
    "`server` or `client`: what the peer is to us"
    expected_name: str | None = None
    "DNS name or IP address that the peer's certificate must be for; None: any"
    address: bytes = b""
    "what a cookie binds to"
    problem: str | None = None
    has_seen_certificate: bool = False
    "False after a handshake: it resumed a session, and OpenSSL asked for nothing"
    protocol: str = "DTLS 1.2"
    "the least we speak"


def client_context(credentials: Credentials, *, resumes: bool = False) -> SSL.Context:
    context = _dtls_context(credentials, has_tickets=resumes)
    context.set_verify(SSL.VERIFY_PEER, _verify)
    return context


def tls_client_context(credentials: Credentials, *, resumes: bool = False) -> SSL.Context:
    context = _tls_context(credentials, has_tickets=resumes)
    context.set_verify(SSL.VERIFY_PEER, _verify)
    context.set_alpn_protos([ALPN])
    return context


def tls_server_context(
    credentials: Credentials, *, require_client_certificate: bool, hands_out_tickets: bool = False
) -> SSL.Context:
    context = _tls_context(credentials, has_tickets=hands_out_tickets)
    _equip_server(context, require_client_certificate=require_client_certificate)
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
    """A context whose cookies are `cookie(address)`."""
    context = _dtls_context(credentials, has_tickets=hands_out_tickets)
    _equip_server(context, require_client_certificate=require_client_certificate)
    context.set_cookie_generate_callback(
        lambda connection: cookie(connection.get_app_data().address)
    )
    context.set_cookie_verify_callback(
        lambda connection, received: hmac.compare_digest(
            received, cookie(connection.get_app_data().address)
        )
    )
    return context


def _equip_server(context: SSL.Context, *, require_client_certificate: bool) -> None:
    mode = SSL.VERIFY_PEER
    if require_client_certificate:
        mode |= SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    context.set_verify(mode, _verify)
    context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_session_id(SESSION_CONTEXT)
    context.set_timeout(TICKET_LIFETIME_S)


def _dtls_context(credentials: Credentials, *, has_tickets: bool) -> SSL.Context:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_min_proto_version(DTLS_1_2)
    context.set_options(SSL.OP_NO_QUERY_MTU)
    return _equipped(context, credentials, has_tickets=has_tickets)


def _tls_context(credentials: Credentials, *, has_tickets: bool) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_tls13_ciphersuites(TLS_1_3_CIPHER_SUITES)
    return _equipped(context, credentials, has_tickets=has_tickets)


def _equipped(context: SSL.Context, credentials: Credentials, *, has_tickets: bool) -> SSL.Context:
    context.set_cipher_list(CIPHER_SUITES)
    if not has_tickets:
        context.set_options(SSL.OP_NO_TICKET)
    context.set_options(SSL.OP_NO_RENEGOTIATION)
    context.set_mode(MODE_NO_AUTO_CHAIN | SSL.MODE_RELEASE_BUFFERS)
    # Sessions are kept by the client alone, see `resumption`; a server holds no state for them.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    try:
        leaf, *intermediates = x509.load_pem_x509_certificates(credentials.certificate_chain)
        context.use_certificate(leaf)
        for intermediate in intermediates:
            context.add_extra_chain_cert(intermediate)
        context.use_privatekey(_private_key(credentials.private_key))
        context.check_privatekey()
        store = context.get_cert_store()
        assert store is not None
        for anchor in x509.load_pem_x509_certificates(credentials.trust_anchors):
            store.add_cert(crypto.X509.from_cryptography(anchor))
        for revocation_list in _revocation_lists(credentials.revocation_lists):
            store.add_crl(revocation_list)
            store.set_flags(crypto.X509StoreFlags.CRL_CHECK)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise HandshakeFailed(
            f"our own credentials cannot be read: {clean_text(str(error))}"
        ) from error
    except SSL.Error as error:
        raise HandshakeFailed(_own_problem(error)) from error
    return context


def _own_problem(error: SSL.Error) -> str:
    reasons = [entry[2] for entry in error.args[0] if entry[2]] if _has_reasons(error) else []
    for reason in reasons:
        if reason in _OWN_PROBLEMS:
            return _OWN_PROBLEMS[reason]
    return f"our own credentials cannot be used: {'; '.join(reasons) or 'OpenSSL refuses them'}"


def _revocation_lists(pem: bytes) -> list[x509.CertificateRevocationList]:
    end = b"-----END X509 CRL-----"
    return [x509.load_pem_x509_crl(part + end) for part in pem.split(end)[:-1]]


def _private_key(pem: bytes) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TypeError("the private key is neither of an elliptic curve nor RSA")
    return key


def _verify(
    connection: SSL.Connection,
    certificate: crypto.X509,
    error_number: int,
    depth: int,
    chain_is_good: int,
) -> bool:
    verification: Verification = connection.get_app_data()
    verification.has_seen_certificate = True
    try:
        read = certificate.to_cryptography()
        # Read it now, while it can be refused, not later when a caller asks for the peer's name.
        common_name(read)
        if not chain_is_good:
            verification.problem = _chain_problem(read, error_number, depth, peer=verification.peer)
        elif depth == 0 and verification.expected_name is not None:
            verification.problem = _name_problem(
                read, verification.expected_name, peer=verification.peer
            )
    except _UNREADABLE:
        # OpenSSL accepts certificates that the other library does not.
        whose = "certificate" if depth == 0 else "chain of certificates"
        verification.problem = f"the {verification.peer}'s {whose} cannot be read"
    # Whatever is returned replaces the verdict on the chain: True would forgive it.
    return verification.problem is None


def problem_of_resumed(
    certificate: x509.Certificate | None, verification: Verification
) -> str | None:
    """What a full handshake finds by itself: a resumed one skips the verify callback."""
    if certificate is None:
        named = verification.expected_name is not None
        return f"the {verification.peer} has shown no certificate" if named else None
    now = datetime.now(UTC)
    if now > certificate.not_valid_after_utc:
        number = SSL.X509VerificationCodes.ERR_CERT_HAS_EXPIRED
        return _chain_problem(certificate, number, 0, peer=verification.peer)
    if verification.expected_name is None:
        return None
    return _name_problem(certificate, verification.expected_name, peer=verification.peer)


def _chain_problem(
    certificate: x509.Certificate, error_number: int, depth: int, *, peer: str
) -> str:
    subject = (
        f"the {peer}'s certificate"
        if depth == 0
        else f"the certificate of {clean_text(common_name(certificate)) or 'an authority'}, "
        f"in the chain of the {peer}'s,"
    )
    if error_number == SSL.X509VerificationCodes.ERR_CERT_HAS_EXPIRED:
        return f"{subject} expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
    if error_number == SSL.X509VerificationCodes.ERR_CERT_NOT_YET_VALID:
        return f"{subject} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    return f"{subject} {_CHAIN_PROBLEMS.get(error_number, f'did not verify (code {error_number})')}"


def _name_problem(certificate: x509.Certificate, expected: str, *, peer: str) -> str | None:
    try:
        if is_ip_address(expected):
            verify_certificate_ip_address(certificate, expected)
        else:
            verify_certificate_hostname(certificate, expected)
    except (service_identity.VerificationError, service_identity.CertificateError):
        names = clean_text(", ".join(_subject_alternative_names(certificate)))
        return f"the {peer}'s certificate is for {names or 'no name at all'}, not for {expected}"
    except _UNREADABLE:
        return f"the names in the {peer}'s certificate cannot be read"
    return None


def is_ip_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _subject_alternative_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [
        *names.get_values_for_type(x509.DNSName),
        *(str(address) for address in names.get_values_for_type(x509.IPAddress)),
    ]


def common_name(certificate: x509.Certificate) -> str:
    """The name exactly as in the certificate, to tell clients apart. Clean it before showing it."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def failure_in_words(
    error: SSL.Error, verification: Verification, *, is_in_session: bool = False
) -> str:
    """Why a handshake, or the session after it, ended, for a person who can fix it."""
    if verification.problem is not None:
        return verification.problem
    peer, protocol = verification.peer, verification.protocol
    what = "session" if is_in_session else "handshake"
    reasons = [entry[2] for entry in error.args[0] if entry[2]] if _has_reasons(error) else []
    for reason in reasons:
        _, is_alert, alert = reason.rpartition("alert ")
        if alert in _ALERTS:
            return _ALERTS[alert].format(peer=peer, protocol=protocol)
        if is_alert:
            return f"the {peer} ended the {what}: {alert}"
        # In a session all other reasons have one cause: the received data is not what the peer sent.
        if reason in _LOCAL_REASONS and (not is_in_session or reason == _BROKEN_OFF):
            return _LOCAL_REASONS[reason].format(peer=peer, protocol=protocol)
    if isinstance(error, SSL.ZeroReturnError):
        return f"the {peer} ended the {what}"
    if is_in_session:
        return f"what arrived from the {peer} was damaged or forged"
    if reasons:
        return f"the {what} failed: {'; '.join(reasons)}"
    return f"the {what} failed: what arrived from the {peer} cannot be read as {protocol}"


def _has_reasons(error: SSL.Error) -> bool:
    return bool(error.args) and isinstance(error.args[0], list)
