"""`python -m tests.upgrade.visit`: opens a member's pages and API resources, using the database in
DATABASE_URL.
"""

from __future__ import annotations

import django

django.setup()

from django.apps import apps  # noqa: E402
from django.test import Client  # noqa: E402 - needs the loaded apps
from django_otp import DEVICE_ID_SESSION_KEY  # noqa: E402

from portal.accounts.models import Authenticator, User  # noqa: E402
from portal.core import secrets  # noqa: E402
from portal.core.json_value import JSONValueField  # noqa: E402
from portal.providers.models import Subscription  # noqa: E402

ORGANIZATION = "/organizations/acme"
API = "/api/v1/organizations/acme"
PAGES = (f"{ORGANIZATION}/", f"{ORGANIZATION}/requests", f"{ORGANIZATION}/standby",
f"{ORGANIZATION}/readiness")  # fmt: skip
CALLS = ("mitigation-requests", "mitigation-requests?kind=standby", "events?after=0", "resources",
"subscriptions", "readiness", "standby-plans", "unknown-mitigations")  # fmt: skip


def main() -> None:
    person = User.objects.get(username="alice")
    browser = Client(HTTP_HOST="localhost")
    browser.force_login(person)
    session = browser.session
    session[DEVICE_ID_SESSION_KEY] = Authenticator.objects.get(user=person).persistent_id
    session.save()
    for path in (*PAGES, *(f"{API}/{call}" for call in CALLS)):
        visit(browser, path)
    for model in apps.get_models():
        columns = [one for one in model._meta.concrete_fields if isinstance(one, JSONValueField)]
        for row in model._default_manager.all() if columns else ():
            for column in columns:
                getattr(row, column.name)  # raises if its JSON is not of the column's type
    requests = browser.get(f"{API}/mitigation-requests").json()["results"]
    for one in requests:
        for page in ("", "/report", "/wire"):
            visit(browser, f"{ORGANIZATION}/requests/{one['id']}{page}")
        visit(browser, f"{API}/mitigation-requests/{one['id']}/wire")
    for subscription in Subscription.objects.all():
        assert b"PRIVATE KEY" in secrets.decrypt(subscription.private_key)
    print(len(requests))  # noqa: T201 - for the test


def visit(browser: Client, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.content[:300]!r}"


if __name__ == "__main__":
    main()
