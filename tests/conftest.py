"""The cast: acme with alice, dana and bob; globex with charlie; mo, a member of the
portal's staff.
"""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from time import time
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client, TransactionTestCase
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY
from hypothesis import settings as hypothesis_settings
from rest_framework.test import APIClient

from dots_client.transport.certificate_verification import is_ip_address
from portal.accounts import services
from portal.accounts.models import Authenticator, BrowserSession, User
from portal.accounts.services.sessions import note_sign_in
from portal.audit.append_only import CUTS, ENTRIES, SEALS
from portal.core import throttle
from portal.core.broadcast import layer_cooldown
from portal.core.log_ids import log_ids
from portal.core.postgresql import base
from portal.core.secrets import log_pause
from portal.core.throttle import cache_cooldown
from portal.organizations.models import Organization, ProtectedResource, Role
from portal.providers.models import Provider, Subscription
from tests.audit_tables import without_triggers
from tests.factories import (
    PASSWORD,
    AuthenticatorFactory,
    OrganizationFactory,
    ProviderFactory,
    ResourceFactory,
    SubscriptionFactory,
    UserFactory,
    member,
)
from tests.fork_server import ForkServer
from tests.sqlite_tables import copy_tables

# A busy machine is not a bug of the tested code.
hypothesis_settings.register_profile("portal", deadline=None)
hypothesis_settings.load_profile("portal")


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.close()


def pytest_collection() -> None:
    """What collecting tests creates stays, so the garbage collector would search it in vain."""
    gc.disable()


def pytest_collection_finish() -> None:
    """As above, and for the rest of the run."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _no_resolver() -> Iterator[None]:
    """No name resolves, not even localhost: a machine may have no hosts file and no network."""
    resolve = socket.getaddrinfo

    def only_addresses(host: str | bytes | None, *arguments: Any, **options: Any) -> Any:
        text = host.decode() if isinstance(host, bytes) else host
        if text and not is_ip_address(text):
            raise socket.gaierror(socket.EAI_NONAME, f"the tests resolve no name: {text}")
        return resolve(host, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", only_addresses)
        yield


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_modify_db_settings: None) -> Iterator[bool]:
    """On SQLite pytest-django finds a database with all tables, as on a server in
    tests/on_postgresql.py.
    """
    if connection.vendor != "sqlite":
        yield False
        return
    database = Path(connection.settings_dict["TEST"]["NAME"])
    copy_tables(database)
    yield True
    connection.close()
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()


IN_PRODUCTION = base.IDLE_IN_TRANSACTION


@pytest.fixture(scope="session", autouse=True)
def _patient_transactions() -> Iterator[None]:
    """A test is one transaction, and may compute for seconds between two statements."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "IDLE_IN_TRANSACTION", "10min")
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_counting_window_ends() -> Iterator[None]:
    """A limit counts in windows of the clock; one that ended in the middle of a test would start
    at zero.
    """
    with pytest.MonkeyPatch.context() as patch:
        now = time()
        patch.setattr(throttle, "time", lambda: now)
        yield


KEPT_TABLES = {"django_migrations", "django_content_type", "auth_permission"}
"""`migrate` fills them."""
AUDIT_TABLES = {f'"{table}"' for table in (ENTRIES, SEALS, CUTS)}


@pytest.fixture(scope="session", autouse=True)
def _emptied_by_deletes() -> Iterator[None]:
    """A test that commits leaves empty tables. Django's own way takes half a second: it truncates
    all tables, even empty ones, and then fills those of `migrate` again.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _: _delete_rows())
        yield


def _delete_rows() -> None:
    names = set(connection.introspection.django_table_names(only_existing=True)) - KEPT_TABLES
    tables = sorted(map(connection.ops.quote_name, names))
    # Foreign keys are checked at the end of the transaction, so the order does not matter.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT {number} WHERE EXISTS (SELECT 1 FROM {table})"
                for number, table in enumerate(tables)
            )
        )
        filled = [tables[number] for (number,) in cursor.fetchall()]
        has_audit = not AUDIT_TABLES.isdisjoint(filled)
        with without_triggers(connection) if has_audit else nullcontext():
            for table in filled:
                cursor.execute(f"DELETE FROM {table}")


@contextmanager
def undone() -> Iterator[None]:
    """Undo what is saved within, so that one test tries several people with the same rows."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    _forget()


@pytest.fixture(autouse=True)
def _forget_tries_and_outages() -> Iterator[None]:
    _forget()
    # The test client has no RequestIds, at whose end the ids of a request end.
    with log_ids():
        yield


def _forget() -> None:
    cache.clear()
    for cooldown in (cache_cooldown, layer_cooldown, log_pause):
        cooldown.stop()


@pytest.fixture
def acme(db: None) -> Organization:
    return OrganizationFactory.create(slug="acme", name="Acme")


@pytest.fixture
def globex(db: None) -> Organization:
    return OrganizationFactory.create(slug="globex", name="Globex")


@pytest.fixture
def alice(acme: Organization) -> User:
    return member("alice", acme, Role.ADMIN)


@pytest.fixture
def dana(acme: Organization) -> User:
    return member("dana", acme, Role.OPERATOR)


@pytest.fixture
def paul(acme: Organization) -> User:
    return member("paul", acme, Role.APPROVER)


@pytest.fixture
def bob(acme: Organization) -> User:
    return member("bob", acme, Role.VIEWER)


@pytest.fixture
def charlie(globex: Organization) -> User:
    return member("charlie", globex, Role.ADMIN)


@pytest.fixture
def mo(db: None) -> User:
    user = UserFactory.create(username="mo", is_staff=True, is_superuser=True)
    AuthenticatorFactory.create(user=user)
    return user


@pytest.fixture
def northgate(db: None) -> Provider:
    return ProviderFactory.create(name="Northgate Scrubbing", short_name="Northgate")


@pytest.fixture
def tidewall(db: None) -> Provider:
    return ProviderFactory.create(name="Tidewall", short_name="Tidewall", phone="+1 555 0177")


@pytest.fixture
def acme_northgate(acme: Organization, northgate: Provider) -> Subscription:
    return SubscriptionFactory.create(organization=acme, provider=northgate, priority=1)


@pytest.fixture
def acme_tidewall(acme: Organization, tidewall: Provider) -> Subscription:
    return SubscriptionFactory.create(organization=acme, provider=tidewall, priority=2)


@pytest.fixture
def globex_northgate(globex: Organization, northgate: Provider) -> Subscription:
    return SubscriptionFactory.create(organization=globex, provider=northgate, priority=1)


@pytest.fixture
def shop(acme: Organization) -> ProtectedResource:
    return ResourceFactory.create(organization=acme, name="Shop front-end", value="203.0.113.0/26")


ClientOf = Callable[[User], Client]
HalfSignedIn = Callable[[User], Client]
ApiOf = Callable[[User], APIClient]


@pytest.fixture
def client_of() -> ClientOf:
    """A browser of a person who gave password and code."""

    def verified(user: User) -> Client:
        client = Client()
        client.force_login(user)
        session = client.session
        note_sign_in(session)
        factor = Authenticator.objects.filter(user=user).order_by("pk")[0]
        session[DEVICE_ID_SESSION_KEY] = factor.persistent_id
        session.save()
        BrowserSession.objects.create(
            session_id=str(session.session_key),
            user=user,
            address="127.0.0.1",
            signed_in_at=timezone.now(),
            last_seen_at=timezone.now(),
        )
        return client

    return verified


@pytest.fixture
def half_signed_in() -> HalfSignedIn:
    """A browser of a person who gave the password but no code yet."""

    def with_password(user: User) -> Client:
        client = Client()
        client.post("/sign-in", {"username": user.username, "password": PASSWORD})
        return client

    return with_password


@pytest.fixture
def api_of() -> ApiOf:
    """A program of a person, with a token."""

    def signed_in(user: User) -> APIClient:
        api = APIClient()
        token = services.issue_token(user=user, device_name="test").plain
        api.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return api

    return signed_in
