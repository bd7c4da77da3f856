"""What every kind of token gets from every call of the API and from every page.

Each follows from the table by a rule; what the rules except is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import pytest
from django.test import Client

from portal.mitigations.models import MitigationRequest
from tests import routes
from tests.conftest import undone
from tests.permissions import PEOPLE, PROGRAM, TOKENS
from tests.permissions.api_table import API
from tests.permissions.page_table import PAGES
from tests.routes import call, named_routes, url_of

pytestmark = pytest.mark.exhaustive

Call = tuple[str, str]

NEEDS_FRESH_FACTOR: Final[frozenset[Call]] = frozenset(
    {
        # The people of the table gave a code just now; no code was given with these tokens.
        ("POST", "api:my-password"), ("POST", "api:my-email"), ("POST", "api:my-app-key"),
        ("POST", "api:my-factors"), ("PATCH", "api:my-factor"), ("DELETE", "api:my-factor"),
        ("POST", "api:my-recovery-codes"),
        ("DELETE", "api:my-sessions"), ("DELETE", "api:my-session"), ("POST", "api:my-tokens"),
        ("PATCH", "api:member"), ("DELETE", "api:member"),
        ("POST", "api:lost-phone"), ("POST", "api:confirm-lost-phone"),
        ("POST", "api:invitations"), ("DELETE", "api:invitation"), ("POST", "api:send-again"),
        ("POST", "api:service-tokens"), ("DELETE", "api:service-token"),
        ("PUT", "api:single-sign-on"), ("DELETE", "api:single-sign-on"), ("PUT", "api:policy"),
        ("PUT", "api:service-levels"),
        ("POST", "api:client-key"), ("DELETE", "api:client-key"),
        ("POST", "api:subscriptions"), ("PATCH", "api:subscription"),
        ("DELETE", "api:subscription"), ("POST", "api:certificate"),
        ("POST", "api:use-certificate"), ("POST", "api:connection-test"),
        ("POST", "api:approve"), ("POST", "api:decline"), ("POST", "api:break-glass"),
        ("POST", "api:alert-endpoints"), ("PATCH", "api:alert-endpoint"),
        ("DELETE", "api:alert-endpoint"), ("PUT", "api:alert-endpoint-policy"),
        ("POST", "api:rotate-alert-endpoint"), ("POST", "api:end-previous-secret"),
        ("POST", "api:channels"), ("PATCH", "api:channel"), ("DELETE", "api:channel"),
        ("POST", "api:rotate-channel"), ("POST", "api:end-channel-secret"),
    }
)  # fmt: skip
NEEDS_ADMIN_SCOPE: Final[frozenset[Call]] = frozenset(
    {
        # A person's own account.
        ("POST", "api:my-password"), ("POST", "api:my-email"), ("POST", "api:confirm-my-email"),
        ("POST", "api:my-app-key"), ("POST", "api:my-factors"), ("PATCH", "api:my-factor"),
        ("DELETE", "api:my-factor"), ("POST", "api:my-recovery-codes"), ("POST", "api:step-up"),
        ("POST", "api:accept-invitation"), ("POST", "api:accept-staff-invitation"),
        ("GET", "api:my-push-devices"), ("POST", "api:my-push-devices"),
        ("DELETE", "api:my-push-device"),
        ("GET", "api:my-sessions"), ("DELETE", "api:my-sessions"), ("DELETE", "api:my-session"),
        ("GET", "api:my-tokens"), ("POST", "api:my-tokens"), ("DELETE", "api:my-token"),
        ("PATCH", "api:my-notices"),
    }
)  # fmt: skip
WHATEVER_THE_SCOPE: Final[Mapping[Call, int]] = {
    # A token may end itself.
    ("DELETE", "api:token"): 204,
    # without a password
    ("POST", "api:token"): 400,
    # with a separate secret
    ("POST", "api:receive-alerts"): 401,
    ("PUT", "api:receive-alerts"): 401,
}
OF_NO_ORGANIZATION: Final = {
    "api:me", "api:token", "api:step-up", "api:organizations", "api:accept-invitation",
    "api:my-password", "api:my-factors", "api:my-factor", "api:my-recovery-codes",
    # of the portal's staff, who need no membership
    "api:acting", "api:suspension", "api:receive-alerts", "api:staff-scorecard",
    "api:organization-name", "api:closing", "api:live-limit",
    "api:admins", "api:admin-invitation", "api:remove-admin",
    "api:staff", "api:colleague", "api:staff-lost-phone", "api:confirm-staff-lost-phone",
    "api:staff-invitations", "api:staff-invitation", "api:send-staff-invitation",
    "api:accept-staff-invitation",
    "api:my-push-devices", "api:my-push-device",
    "api:my-sessions", "api:my-session", "api:my-email", "api:confirm-my-email", "api:my-app-key",
    "api:my-notices", "api:my-tokens", "api:my-token", "api:schema", "api:docs", "api:no-such-call",
    "api:claims", "api:claim", "api:verify-claim", "api:refuse-claim",
}  # fmt: skip

Row = Mapping[str, int]


def read(of: Call, row: Row) -> int:
    """What a viewer reads."""
    if of in WHATEVER_THE_SCOPE:
        return WHATEVER_THE_SCOPE[of]
    return 403 if of[0] != "GET" or of in NEEDS_ADMIN_SCOPE else row["bob"]


def request(of: Call, row: Row) -> int:
    """What an operator gets, except from the own account."""
    if of in WHATEVER_THE_SCOPE:
        return WHATEVER_THE_SCOPE[of]
    return 403 if of in NEEDS_ADMIN_SCOPE | NEEDS_FRESH_FACTOR else row["dana"]


def admin(of: Call, row: Row) -> int:
    """What its person gets who gave no code just now."""
    if of in WHATEVER_THE_SCOPE:
        return WHATEVER_THE_SCOPE[of]
    return 403 if of in NEEDS_FRESH_FACTOR else row["alice"]


def program(of: Call, row: Row) -> int:
    """The table has a column for it."""
    return row["program"]


def viewing_program(of: Call, row: Row) -> int:
    """What the other program gets, except what is refused to viewers."""
    return 403 if row["bob"] == 403 else row["program"]


def foreign_program(of: Call, row: Row) -> int:
    return row["program"] if of[1] in OF_NO_ORGANIZATION else 404


RULES: Final[Mapping[str, Callable[[Call, Row], int]]] = {
    "read": read,
    "request": request,
    "admin": admin,
    "program": program,
    "viewing program": viewing_program,
    "foreign program": foreign_program,
}

asked = routes.asked


def presenting(token: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {token}"})


@pytest.mark.timeout(600)  # for 800 calls on a busy machine
def test_every_token_gets_the_expected_answer(
    tokens: dict[str, str], asked: MitigationRequest
) -> None:
    wrong: list[str] = []
    for method, route, *answers in API:
        row = dict(zip((*PEOPLE, PROGRAM), answers, strict=True))
        url = url_of(route, asked.pk)
        for column, rule in RULES.items():
            expected = rule((method, route), row)
            with undone():
                answer = call(presenting(tokens[column]), method, route, url)
            text = "" if answer.streaming else answer.content.decode()
            who = f"{column}: {method} {route} got {answer.status_code}"
            if answer.status_code != expected:
                wrong.append(f"{who} instead of {expected}: {text[:200]}")
            elif column == "foreign program" and expected in (403, 404):
                wrong += [f"{who} with {word}" for word in (str(asked.pk), "Acme") if word in text]

    assert wrong == []


@pytest.mark.timeout(600)  # for 400 calls on a busy machine
def test_a_page_answers_a_token_as_it_answers_a_stranger(
    tokens: dict[str, str], asked: MitigationRequest
) -> None:
    wrong: list[str] = []
    for method, route, anonymous, *_ in PAGES:
        url = url_of(route, asked.pk)
        for column in ("admin", "program"):
            with undone():
                answer = call(presenting(tokens[column]), method, route, url)
            where = answer.get("Location", "/sign-in")
            if answer.status_code != anonymous or not where.startswith("/sign-in"):
                wrong.append(f"{column}: {method} {route} got {answer.status_code} {where}")

    assert wrong == []


def test_every_kind_of_token_has_a_rule() -> None:
    assert tuple(RULES) == TOKENS


def test_every_exception_is_about_a_call_that_exists() -> None:
    calls = {(method, route) for method, route, *_ in API}

    assert {*NEEDS_FRESH_FACTOR, *NEEDS_ADMIN_SCOPE, *WHATEVER_THE_SCOPE} <= calls
    assert {route for _, route in calls} >= OF_NO_ORGANIZATION


def test_every_method_of_a_call_is_in_the_table() -> None:
    listed = {(method, route) for method, route, *_ in API}
    views = [(name, getattr(entry.callback, "cls", None)) for name, entry in named_routes()]
    offered = {
        (method.upper(), name)
        for name, view in views
        if view is not None and name.startswith("api:")
        for method in ("get", "post", "put", "patch", "delete")
        if hasattr(view, method)
    }

    assert len(offered) > 100
    assert offered <= listed
