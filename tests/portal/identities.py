"""Certificates with a chosen validity, and subscriptions that pass every check."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from django.utils import timezone

from portal.providers.models import Provider, Subscription
from tests.portal.leased import lease_to

DAY = timedelta(days=1)


def pem(days: float, name: str = "acme") -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = timezone.now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 400 * DAY)
        .not_valid_after(now + days * DAY)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
        .decode("ascii")
    )


def make_everything_ready() -> None:
    """A worker manages every subscription, and all certificates are valid for long."""
    Provider.objects.update(trust_anchors=pem(900, "Root"))
    Subscription.objects.update(certificate_chain=pem(149))
    lease_to("one", *Subscription.objects.all())
