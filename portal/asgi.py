"""The ASGI application: pages and API over HTTP, events over WebSockets."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

_http = get_asgi_application()

# Below need the loaded apps.
from channels.routing import ProtocolTypeRouter  # noqa: E402

from portal.checks import refuse_to_start  # noqa: E402
from portal.core.asgi import BoundedBodies, Utf8Bodies  # noqa: E402
from portal.core.interpreter import hand_over_quickly  # noqa: E402
from portal.core.turns import in_turn  # noqa: E402
from portal.routing import websocket  # noqa: E402

refuse_to_start()
hand_over_quickly()

application = ProtocolTypeRouter(
    {"http": Utf8Bodies(BoundedBodies(in_turn(_http))), "websocket": websocket}
)
