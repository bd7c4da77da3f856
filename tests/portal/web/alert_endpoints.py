"""Settings › Alerts, as an admin and a detector use it."""

from __future__ import annotations

import re
from typing import Any

from django.test import Client

from portal.alerts.models import AlertEndpoint
from tests.portal.web.conftest import words_of

LIST = "/organizations/acme/settings/alerts"
NEW = f"{LIST}/new"


def secret_in(answer: Any) -> str:
    found = re.search(r'<code class="mono wrap">([^<]+)</code>', answer.content.decode())
    assert found, words_of(answer)
    return found[1]


def add(browser: Client, **fields: str) -> Any:
    return browser.post(NEW, {"name": "Edge", "source": "plain", **fields})


def page_of(endpoint: AlertEndpoint, name: str = "") -> str:
    return f"{LIST}/{endpoint.pk}{name}"


def send(browser: Client, endpoint: AlertEndpoint, secret: str, body: str) -> int:
    return browser.post(
        f"/api/v1/alerts/{endpoint.pk}",
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    ).status_code
