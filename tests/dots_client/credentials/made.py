"""Keys, certificates and chains of every kind, and a handshake with them in memory."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from OpenSSL import SSL

from dots_client import Credentials
from dots_client.transport.certificate_verification import Verification
from dots_client.transport.tls_contexts import tls_client_context, tls_server_context
from tests.dots_client.authority import Authority

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def key_pem(key: Any) -> bytes:
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def certificate(
    key: Any,
    name: str = "acme",
    *,
    by: Authority | None = None,
    begins: datetime = NOW - DAY,
    ends: datetime = NOW + 90 * DAY,
    extensions: tuple[x509.ExtensionType, ...] = (),
) -> bytes:
    """A certificate signed by an authority, or self-signed."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject(name))
        .issuer_name(by.subject if by else subject(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    own_hash = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    algorithm = None if own_hash and by is None else hashes.SHA256()
    return builder.sign(by.key if by else key, algorithm).public_bytes(Encoding.PEM)


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


def handshake(client: Credentials, server: Credentials, *, version: int) -> str:
    """Why the handshake failed, or an empty text.

    Raises HandshakeFailed if one side's own credentials cannot be used.
    """
    context = tls_server_context(server, require_client_certificate=True)
    context.set_max_proto_version(version)
    ours, theirs = tls_client_context(client).connection(), SSL.Connection(context)
    ours.set_connect_state()
    theirs.set_accept_state()
    verification = Verification(peer="server", expected_name="provider.example")
    ours.set_app_data(verification)
    theirs.set_app_data(Verification(peer="client"))
    pairs = ((ours, theirs), (theirs, ours))
    try:
        for _ in range(10):
            done = [_advance(one, other) for one, other in pairs]
    except SSL.Error as error:
        return verification.problem or str(error)
    return "" if all(done) else "it came to no end"


def _advance(one: SSL.Connection, other: SSL.Connection) -> bool:
    """Whether the handshake is over. Passes the output to the other side."""
    try:
        one.do_handshake()
        is_done = True
    except SSL.WantReadError:
        is_done = False
    with suppress(SSL.WantReadError):
        other.bio_write(one.bio_read(65536))
    return is_done
