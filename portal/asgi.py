"""The ASGI application: pages and API over HTTP, events over WebSockets."""

from __future__ import annotations

import os
from typing import cast

import django
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

django.setup(set_prefix=False)

# The imports below need loaded apps.
from channels.routing import ProtocolTypeRouter  # noqa: E402

from portal.checks import check_leaked_passwords, refuse_to_start  # noqa: E402
from portal.core.asgi_handler import OneThreadHandler  # noqa: E402
from portal.core.asgi_types import Application  # noqa: E402
from portal.core.body_limits import BoundedBodies, Utf8Bodies  # noqa: E402
from portal.core.concurrency_limit import with_concurrency_limits  # noqa: E402
from portal.core.garbage import collect_rarely  # noqa: E402
from portal.core.gil import shorten_switch_interval  # noqa: E402
from portal.core.request_ids import RequestIds  # noqa: E402
from portal.core.safe_responses import SafeResponses  # noqa: E402
from portal.metrics.server import serve_metrics  # noqa: E402
from portal.routing import websocket  # noqa: E402

refuse_to_start(check_leaked_passwords)
shorten_switch_interval()
serve_metrics()

_by_protocol = ProtocolTypeRouter(
    {
        "http": Utf8Bodies(BoundedBodies(with_concurrency_limits(OneThreadHandler()))),
        "websocket": websocket,
    }
)
application = RequestIds(SafeResponses(cast(Application, _by_protocol)))
# Django imports the pages and the API with the first request otherwise.
get_resolver().reverse_dict  # noqa: B018
collect_rarely()
