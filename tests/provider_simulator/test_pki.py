from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from provider_simulator.pki import client_credentials, make_pki, server_credentials


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def snapshot(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.mark.rule("SS-090")
def test_the_server_certificate_has_a_dns_name_and_both_loopback_addresses(pki: Path) -> None:
    names = (
        certificate(pki / "server.pem")
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )

    assert "northgate.example" in names.get_values_for_type(x509.DNSName)
    assert names.get_values_for_type(x509.IPAddress) == [
        ip_address("127.0.0.1"),
        ip_address("::1"),
    ]


def test_a_client_is_named_by_its_common_name(pki: Path) -> None:
    [name] = certificate(pki / "client-acme.pem").subject.get_attributes_for_oid(
        NameOID.COMMON_NAME
    )

    assert name.value == "acme"


@pytest.mark.parametrize("file", ["ca.pem", "server.pem", "client-acme.pem", "client-globex.pem"])
def test_certificates_come_from_the_providers_authority_and_are_valid_now(
    pki: Path, file: str
) -> None:
    issued = certificate(pki / file)

    issued.verify_directly_issued_by(certificate(pki / "ca.pem"))
    assert isinstance(issued.public_key(), ec.EllipticCurvePublicKey)
    now = datetime.now(UTC)
    assert issued.not_valid_before_utc < now
    assert issued.not_valid_after_utc > now + timedelta(days=365)


def test_only_the_owner_can_read_the_keys(pki: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in pki.glob("*.key")} == {0o600}


def test_existing_certificates_stay_and_missing_ones_are_created(tmp_path: Path) -> None:
    make_pki(tmp_path, providers=["northgate"], clients=["acme"])
    before = snapshot(tmp_path)

    make_pki(tmp_path, providers=["northgate", "tidewall"], clients=["acme", "globex"])
    after = snapshot(tmp_path)

    assert before.items() <= after.items()
    assert {"northgate/client-globex.pem", "tidewall/ca.pem"} <= after.keys()
    assert after["northgate/ca.pem"] != after["tidewall/ca.pem"]


def test_the_files_load_as_credentials(pki: Path) -> None:
    server, acme = server_credentials(pki), client_credentials(pki, "acme")

    assert server.trust_anchors == acme.trust_anchors
    assert b"PRIVATE KEY" in acme.private_key
