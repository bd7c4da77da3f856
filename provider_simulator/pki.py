"""Certificates for a simulated provider and its clients: one authority per provider."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dots_client import Credentials

AUTHORITY_VALID_FOR: Final = timedelta(days=3650)
VALID_FOR: Final = timedelta(days=825)
CLOCK_SKEW: Final = timedelta(hours=1)
LOOPBACK: Final = ("127.0.0.1", "::1")


def make_pki(directory: Path, *, providers: Sequence[str], clients: Sequence[str]) -> None:
    """Make missing certificates; existing ones stay."""
    for provider in providers:
        _make_provider(directory / provider, provider, clients)


def server_name(provider: str) -> str:
    """The DNS name in a provider's certificate."""
    return f"{provider}.example"


def server_credentials(directory: Path) -> Credentials:
    """The credentials of the provider in `directory`."""
    return Credentials(
        certificate_chain=(directory / "server.pem").read_bytes(),
        private_key=(directory / "server.key").read_bytes(),
        trust_anchors=(directory / "ca.pem").read_bytes(),
    )


def client_credentials(directory: Path, client: str) -> Credentials:
    """The credentials of `client` of the provider in `directory`."""
    return Credentials(
        certificate_chain=(directory / f"client-{client}.pem").read_bytes(),
        private_key=(directory / f"client-{client}.key").read_bytes(),
        trust_anchors=(directory / "ca.pem").read_bytes(),
    )


def _make_provider(directory: Path, provider: str, clients: Sequence[str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    authority_path, authority_key_path = directory / "ca.pem", directory / "ca.key"
    if not (authority_path.exists() and authority_key_path.exists()):
        _make_authority(authority_path, authority_key_path, provider)
    authority = x509.load_pem_x509_certificate(authority_path.read_bytes())
    authority_key = load_pem_private_key(authority_key_path.read_bytes(), password=None)
    assert isinstance(authority_key, ec.EllipticCurvePrivateKey)
    _make_leaf(
        directory / "server",
        common_name=server_name(provider),
        usage=ExtendedKeyUsageOID.SERVER_AUTH,
        names=[
            x509.DNSName(server_name(provider)),
            x509.DNSName("localhost"),
            *(x509.IPAddress(ip_address(address)) for address in LOOPBACK),
        ],
        authority=authority,
        authority_key=authority_key,
    )
    for client in clients:
        _make_leaf(
            directory / f"client-{client}",
            common_name=client,
            usage=ExtendedKeyUsageOID.CLIENT_AUTH,
            names=[x509.DNSName(f"{client}.example")],
            authority=authority,
            authority_key=authority_key,
        )


def _make_authority(path: Path, key_path: Path, provider: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"{provider.title()} certificate authority")
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + AUTHORITY_VALID_FOR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(is_authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_key(key_path, key)
    path.write_bytes(certificate.public_bytes(Encoding.PEM))


def _make_leaf(
    stem: Path,
    *,
    common_name: str,
    usage: x509.ObjectIdentifier,
    names: list[x509.GeneralName],
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
) -> None:
    path, key_path = stem.with_name(f"{stem.name}.pem"), stem.with_name(f"{stem.name}.key")
    if path.exists() and key_path.exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(
            authority.subject, _name(common_name), key.public_key(), x509.random_serial_number()
        )
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(is_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    _write_key(key_path, key)
    path.write_bytes(certificate.public_bytes(Encoding.PEM))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # Create the file with its mode: others must never be able to read the key.
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
