"""Minimal valid objects. The caller passes the relations."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django_otp.oath import TOTP
from factory.declarations import LazyAttribute, LazyFunction, Sequence
from factory.django import DjangoModelFactory, Password
from knox.crypto import hash_token

from portal.accounts import token_text
from portal.accounts.models import Authenticator, User
from portal.core import secrets
from portal.organizations.models import (
    Membership,
    Organization,
    ProtectedResource,
    ResourceKind,
    Role,
    ServiceToken,
)
from portal.providers.models import Provider, SessionState, Subscription

PASSWORD = "correct horse battery staple"
AUTHENTICATOR_KEY = b"12345678901234567890"
PRIVATE_KEY = b"-----BEGIN PRIVATE KEY-----\nnever to be shown\n-----END PRIVATE KEY-----\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nof a test\n-----END CERTIFICATE-----\n"


class UserFactory(DjangoModelFactory[User]):
    """A person with a password and nothing else."""

    class Meta:
        model = User

    username = Sequence(lambda n: f"person{n}")
    password = Password(PASSWORD)


class AuthenticatorFactory(DjangoModelFactory[Authenticator]):
    """A confirmed authenticator app; `user` is required."""

    class Meta:
        model = Authenticator

    name = "App"
    confirmed = True
    encrypted_key = LazyFunction(lambda: secrets.encrypt(AUTHENTICATOR_KEY))


class OrganizationFactory(DjangoModelFactory[Organization]):
    """A tenant."""

    class Meta:
        model = Organization

    slug = Sequence(lambda n: f"tenant{n}")
    name = LazyAttribute(lambda own: own.slug.capitalize())


class MembershipFactory(DjangoModelFactory[Membership]):
    """A role; `organization` and `user` are required."""

    class Meta:
        model = Membership

    role = Role.VIEWER


class ResourceFactory(DjangoModelFactory[ProtectedResource]):
    """A verified prefix; `organization` is required."""

    class Meta:
        model = ProtectedResource

    name = Sequence(lambda n: f"Network {n}")
    kind = ResourceKind.PREFIX
    value = Sequence(lambda n: f"203.0.{n % 256}.0/24")
    verified_at = LazyFunction(timezone.now)


class ProviderFactory(DjangoModelFactory[Provider]):
    """A provider that no test connects to."""

    class Meta:
        model = Provider

    short_name = Sequence(lambda n: f"Provider{n}")
    name = LazyAttribute(lambda own: f"{own.short_name} Scrubbing")
    phone = "+1 555 0142"
    host = "127.0.0.1"
    server_name = LazyAttribute(lambda own: f"{own.short_name.lower()}.example")
    trust_anchors = CERTIFICATE


class SubscriptionFactory(DjangoModelFactory[Subscription]):
    """A right to use a provider, with its session up; `organization` and `provider` are
    required.
    """

    class Meta:
        model = Subscription

    priority = Sequence(lambda n: n + 1)
    cuid = Sequence(lambda n: f"{n:022d}")
    certificate_chain = CERTIFICATE
    private_key = LazyFunction(lambda: secrets.encrypt(PRIVATE_KEY))
    session_state = SessionState.UP
    session_transport = "dtls"
    session_since = LazyFunction(timezone.now)
    last_heard_at = LazyFunction(timezone.now)


class ServiceTokenFactory(DjangoModelFactory[ServiceToken]):
    """A token of a program that no one can present; `organization` is required."""

    class Meta:
        model = ServiceToken

    name = Sequence(lambda n: f"program {n}")
    digest = Sequence(lambda n: f"{n:0128x}")
    hint = "dms_0000"
    role = Role.OPERATOR
    created_at = LazyFunction(timezone.now)
    expires_at = LazyFunction(lambda: timezone.now() + timedelta(days=90))


def service_token(organization: Organization, **fields: Any) -> tuple[ServiceToken, str]:
    """A token of a program, and its text."""
    plain = token_text.make(token_text.SERVICE)
    row = ServiceTokenFactory.create(
        organization=organization, digest=hash_token(plain), hint=plain[:8], **fields
    )
    return row, plain


def app_code(key: bytes = AUTHENTICATOR_KEY, *, steps: int = 0) -> str:
    """The app's current code, or that of `steps` half minutes later."""
    totp = TOTP(key)
    totp.time = time.time() + 30 * steps
    return f"{totp.token():06d}"


def member(username: str, organization: Organization, role: Role, **fields: Any) -> User:
    """A person with a second factor and a role."""
    user = UserFactory.create(username=username, **fields)
    AuthenticatorFactory.create(user=user)
    MembershipFactory.create(user=user, organization=organization, role=role)
    return user
