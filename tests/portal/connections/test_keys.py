"""Keys made in the portal, and keys that came with their certificates."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.connections import services, uploads
from portal.connections.services import keys
from portal.core import secrets
from portal.core.errors import Conflict, Invalid, NotAllowed, NotFound, Throttled
from portal.events.models import Event
from portal.organizations.models import Membership, Organization, Role
from portal.providers.models import ClientKey, Provider, Subscription
from tests.factories import ProviderFactory
from tests.portal.connections.certificates import NOW, SERVER, Authority, key_pem, new_key, p12, pem
from tests.portal.providers.identities import identity


@pytest.fixture
def by(alice: User) -> Actor:
    return Actor.person(alice)


@pytest.fixture
def made(acme: Organization, northgate: Provider, by: Actor) -> ClientKey:
    return services.make_key(organization=acme, provider=northgate, actor=by)


def test_a_key_made_here_is_on_p_256_and_saved_encrypted(made: ClientKey) -> None:
    request = x509.load_pem_x509_csr(made.signing_request.encode())

    key = request.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert request.is_signature_valid
    assert b"PRIVATE KEY" not in bytes(made.private_key)
    assert b"PRIVATE KEY" in secrets.decrypt(made.private_key)


def test_the_signed_certificate_connects_the_provider(
    made: ClientKey, acme: Organization, northgate: Provider, by: Actor
) -> None:
    signed = Authority().sign_request(made.signing_request)

    own = services.add_certificate(
        organization=acme, provider=northgate, certificate=signed, actor=by
    )

    kept = Subscription.objects.get()
    assert own.pk == kept.pk
    assert kept.certificate_chain.encode() == signed
    assert secrets.decrypt(kept.private_key) == secrets.decrypt(made.private_key)
    assert not ClientKey.objects.exists()


def test_a_certificate_of_another_key_is_refused(
    made: ClientKey, acme: Organization, northgate: Provider, by: Actor
) -> None:
    other = pem(Authority().sign(new_key().public_key()))

    with pytest.raises(Invalid, match="for another key than the one made here") as refused:
        services.add_certificate(organization=acme, provider=northgate, certificate=other, actor=by)

    assert refused.value.errors[0].field == "certificate_chain"
    assert ClientKey.objects.get() == made


def test_without_a_key_no_certificate_is_taken(
    acme: Organization, northgate: Provider, by: Actor
) -> None:
    with pytest.raises(Conflict, match="Make a key first"):
        services.add_certificate(organization=acme, provider=northgate, certificate=b"x", actor=by)


CA = Authority()
OWN = new_key()


@pytest.mark.parametrize(
    ("chain", "key", "field", "message"),
    [
        (pem(CA.sign(new_key().public_key())), key_pem(OWN), "private_key", "does not belong"),
        (pem(CA.sign(OWN.public_key(), begins=NOW - timedelta(9), ends=NOW - timedelta(2))),
         key_pem(OWN), "certificate_chain", f"expired on {NOW - timedelta(2):%Y-%m-%d}"),
        (pem(CA.sign(OWN.public_key(), begins=NOW + timedelta(2))), key_pem(OWN),
         "certificate_chain", f"not valid before {NOW + timedelta(2):%Y-%m-%d}"),
        (pem(CA.sign(OWN.public_key(), purpose=SERVER)), key_pem(OWN), "certificate_chain",
         "another purpose"),
        (pem(CA.sign(OWN.public_key())) + pem(Authority("Other CA").certificate), key_pem(OWN),
         "certificate_chain", "Other CA does not belong to the chain"),
        (pem(CA.sign(OWN.public_key())), b"", "private_key", "Choose a file"),
        (b"", key_pem(OWN), "certificate_chain", "Choose a file"),
        (b"x" * (uploads.MAX_FILE_BYTES + 1), key_pem(OWN), "certificate_chain",
         "This has 65,537 bytes"),
        (b"no certificate", key_pem(OWN), "certificate_chain", "PEM form"),
    ],
    ids=range(9),
)  # fmt: skip
def test_an_unusable_key_or_certificate_is_refused_at_its_field(
    acme: Organization,
    northgate: Provider,
    by: Actor,
    chain: bytes,
    key: bytes,
    field: str,
    message: str,
) -> None:
    with pytest.raises(Invalid) as refused:
        services.add_identity(
            organization=acme,
            provider=northgate,
            identity=uploads.from_pem(chain, key),
            actor=by,
        )

    [error] = refused.value.errors
    assert error.field == field
    assert message in error.message
    assert not Subscription.objects.exists()


def test_a_weak_key_is_refused(acme: Organization, northgate: Provider, by: Actor) -> None:
    weak = rsa.generate_private_key(65537, 1024)
    chain = pem(CA.sign(weak.public_key()))

    with pytest.raises(Invalid, match="1,024 bits"):
        services.add_identity(
            organization=acme,
            provider=northgate,
            identity=uploads.from_pem(chain, key_pem(weak)),
            actor=by,
        )


def test_a_pkcs12_file_has_both(acme: Organization, northgate: Provider, by: Actor) -> None:
    file = p12(OWN, CA.sign(OWN.public_key()), CA.certificate)

    found = uploads.from_pkcs12(file, "secret")
    services.add_identity(organization=acme, provider=northgate, identity=found, actor=by)

    assert Subscription.objects.get().certificate_chain.count("BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize(
    ("data", "password", "field", "message"),
    [
        (p12(OWN, CA.sign(OWN.public_key())), "wrong", "password", "with this password"),
        (p12(None, None, CA.certificate), "secret", "pkcs12", "no private key"),
        (p12(OWN, None), "secret", "pkcs12", "no certificate"),
        (b"\x30\x82nonsense", "secret", "password", "cannot be read"),
        (pem(CA.certificate), "secret", "pkcs12", "no PKCS#12 file"),
        (b"", "secret", "pkcs12", "Choose a file"),
        (b"\x30" * (uploads.MAX_FILE_BYTES + 1), "secret", "pkcs12", "65,537 bytes"),
        (b"\x30", "x" * 1001, "password", "at most 1,000"),
    ],
    ids=range(8),
)
def test_an_unusable_pkcs12_file_is_refused_at_its_field(
    data: bytes, password: str, field: str, message: str
) -> None:
    with pytest.raises(Invalid) as refused:
        uploads.from_pkcs12(data, password)

    [error] = refused.value.errors
    assert error.field == field
    assert message in error.message


def test_a_pkcs12_file_that_takes_too_long_is_given_up(monkeypatch: Any) -> None:
    monkeypatch.setattr(uploads, "READ_WITHIN_S", 0.001)

    with pytest.raises(Invalid, match="could not be read within"):
        uploads.from_pkcs12(p12(OWN, CA.sign(OWN.public_key())), "secret")


def test_a_new_certificate_waits_beside_the_one_in_use(
    acme: Organization, acme_northgate: Subscription, northgate: Provider, by: Actor
) -> None:
    before = acme_northgate.certificate_chain
    renewed = identity()

    services.add_identity(organization=acme, provider=northgate, identity=renewed, actor=by)

    assert Subscription.objects.get().certificate_chain == before
    services.switch_identity(subscription=acme_northgate, key_id=None, actor=by)
    kept = Subscription.objects.get()
    assert secrets.decrypt(kept.private_key) == renewed.private_key
    assert kept.cuid == acme_northgate.cuid
    assert not ClientKey.objects.exists()


def test_only_the_key_that_was_tried_is_switched_to(
    acme: Organization, acme_northgate: Subscription, northgate: Provider, by: Actor
) -> None:
    services.add_identity(organization=acme, provider=northgate, identity=identity(), actor=by)
    tried = ClientKey.objects.get().pk
    services.add_identity(organization=acme, provider=northgate, identity=identity(), actor=by)

    with pytest.raises(NotFound):
        services.switch_identity(subscription=acme_northgate, key_id=tried, actor=Actor.portal())

    assert Subscription.objects.get().certificate_chain == acme_northgate.certificate_chain


def test_the_certificate_in_use_is_not_taken_again(
    acme: Organization, northgate: Provider, by: Actor
) -> None:
    own = identity()
    services.add_identity(organization=acme, provider=northgate, identity=own, actor=by)

    with pytest.raises(Invalid, match="in use already"):
        services.add_identity(organization=acme, provider=northgate, identity=own, actor=by)


def test_no_secret_is_in_an_event(
    made: ClientKey, acme: Organization, northgate: Provider, by: Actor
) -> None:
    signed = Authority().sign_request(made.signing_request)
    services.add_certificate(organization=acme, provider=northgate, certificate=signed, actor=by)

    written = str(list(Event.objects.values_list("type", "data")))
    assert "subscription.key_made" in written
    assert "subscription.added" in written
    assert "BEGIN" not in written


def test_an_admin_who_is_no_admin_any_more_changes_nothing(
    acme: Organization, northgate: Provider, by: Actor
) -> None:
    Membership.objects.filter(user=by.user).update(role=Role.OPERATOR)

    with pytest.raises(NotAllowed):
        services.make_key(organization=acme, provider=northgate, actor=by)
    with pytest.raises(NotAllowed):
        services.add_identity(organization=acme, provider=northgate, identity=identity(), actor=by)

    assert not ClientKey.objects.exists()
    assert not Subscription.objects.exists()


def test_an_admin_of_another_organization_changes_nothing(
    acme: Organization, northgate: Provider, charlie: User
) -> None:
    with pytest.raises(NotFound):
        services.make_key(organization=acme, provider=northgate, actor=Actor.person(charlie))


def test_an_organization_has_a_limit_on_keys_and_on_providers(
    acme: Organization, northgate: Provider, by: Actor, monkeypatch: Any
) -> None:
    monkeypatch.setattr(keys, "MAX_CONNECTED", 1)
    services.add_identity(organization=acme, provider=northgate, identity=identity(), actor=by)

    with pytest.raises(Conflict, match="which is the most"):
        services.add_identity(
            organization=acme, provider=ProviderFactory.create(), identity=identity(), actor=by
        )
    monkeypatch.setattr(keys, "KEYS", replace(keys.KEYS, tries=2))
    with pytest.raises(Throttled):
        services.make_key(organization=acme, provider=northgate, actor=by)
