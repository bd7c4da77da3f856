from __future__ import annotations

from portal.providers.models import Subscription, Transport
from portal.signaling.connection_settings import load_connection_settings
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
