from __future__ import annotations

import random

import pytest
from pytest_django import DjangoAssertNumQueries

from dots_client import Reconnect
from portal.providers.models import Subscription, Transport
from portal.signaling.connection_settings import fingerprints, load_connection_settings
from portal.signaling.sessions.changed_settings import ChangedSettings
from tests.factories import PRIVATE_KEY


def test_a_session_is_opened_with_the_settings_in_the_rows(acme_northgate: Subscription) -> None:
    provider = acme_northgate.provider
    provider.transports, provider.requires_alpn = (Transport.TLS,), False
    provider.save()

    identity = load_connection_settings(acme_northgate.pk)

    assert (identity.server.name, identity.server.host) == (provider.server_name, provider.host)
    assert identity.server.transports == ("tls",)
    assert not identity.server.requires_alpn
    assert identity.credentials.private_key == PRIVATE_KEY
    assert identity.cuid == acme_northgate.cuid


@pytest.mark.parametrize(
    ("is_of_provider", "column", "value"),
    [
        (True, "server_name", "other.example"),
        (True, "host", "192.0.2.99"),
        (True, "port", 4647),
        (True, "transports", (Transport.TLS,)),
        (True, "requires_alpn", False),
        (True, "trust_anchors", "others"),
        (False, "certificate_chain", "another"),
        (False, "private_key", b"another"),
        (False, "cuid", "another"),
    ],
)
def test_a_fingerprint_is_another_one_once_a_setting_changes_and_equal_until_then(
    acme_northgate: Subscription, *, is_of_provider: bool, column: str, value: object
) -> None:
    read = load_connection_settings(acme_northgate.pk).fingerprint
    Subscription.objects.filter(pk=acme_northgate.pk).update(session_detail="not a setting")
    assert fingerprints([acme_northgate.pk]) == {acme_northgate.pk: read}

    rows = type(acme_northgate.provider if is_of_provider else acme_northgate).objects
    rows.update(**{column: value})

    assert fingerprints([acme_northgate.pk]) != {acme_northgate.pk: read}


def test_the_settings_of_a_session_cost_one_statement(
    acme_northgate: Subscription, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        load_connection_settings(acme_northgate.pk)


def test_settings_that_a_renewal_names_as_saved_before_they_were_read_are_not_read_again(
    acme_northgate: Subscription,
) -> None:
    settings = ChangedSettings(lambda: Reconnect(rng=random.SystemRandom()))
    own = Subscription.objects.filter(pk=acme_northgate.pk)
    [at] = own.values_list("changed_at", "provider__changed_at")

    assert not settings.saved(at), "the first attempt reads them"
    settings.read(load_connection_settings(acme_northgate.pk))
    assert not settings.saved(at)
    acme_northgate.provider.save()

    [at] = own.values_list("changed_at", "provider__changed_at")
    assert settings.saved(at)
    assert settings.must_read


def test_a_save_during_the_first_read_is_read_later(acme_northgate: Subscription) -> None:
    settings = ChangedSettings(lambda: Reconnect(rng=random.SystemRandom()))
    read = load_connection_settings(acme_northgate.pk)
    acme_northgate.provider.save()
    own = Subscription.objects.filter(pk=acme_northgate.pk)
    [at] = own.values_list("changed_at", "provider__changed_at")

    settings.saved(at)
    settings.read(read)

    assert settings.saved(at)
