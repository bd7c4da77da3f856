"""A certificate authority for tests; everything in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dots_client import Credentials

SERVER_NAMES = ("provider.example", "localhost", "127.0.0.1", "::1")


class Authority:
    def __init__(self, name: str = "Test authority", *, issuer: Authority | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = _subject(name)
        signer = issuer or self
        self.certificate = (
            _builder(self.subject, signer.subject, self.key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(signer.key, hashes.SHA256())
        )
        self.pem = self.certificate.public_bytes(Encoding.PEM)

    def server(self, *, names: tuple[str, ...] = SERVER_NAMES, age_days: int = 1) -> Credentials:
        return self.issue("provider.example", names=names, age_days=age_days)

    def client(self, name: str = "acme", *, age_days: int = 1) -> Credentials:
        return self.issue(name, purpose=ExtendedKeyUsageOID.CLIENT_AUTH, age_days=age_days)

    def revocation_list(self, *revoked: Credentials) -> bytes:
        """PEM, valid for 30 days."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.subject)
            .last_update(now - timedelta(days=1))
            .next_update(now + timedelta(days=30))
        )
        for credentials in revoked:
            certificate = x509.load_pem_x509_certificate(credentials.certificate_chain)
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(certificate.serial_number)
                .revocation_date(now)
                .build()
            )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def issue(
        self,
        common_name: str,
        *,
        names: tuple[str, ...] = (),
        purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
        age_days: int = 1,
    ) -> Credentials:
        """Valid for 30 days, of which `age_days` have passed."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(
            _subject(common_name), self.subject, key, age_days=age_days
        ).add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
            )
        certificate = builder.sign(self.key, hashes.SHA256())
        return Credentials(
            certificate_chain=certificate.public_bytes(Encoding.PEM),
            private_key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            trust_anchors=self.pem,
        )


def trusting(credentials: Credentials, authority: Authority) -> Credentials:
    return replace(credentials, trust_anchors=authority.pem)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    age_days: int = 1,
) -> x509.CertificateBuilder:
    start = datetime.now(UTC) - timedelta(days=age_days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=30))
    )
