"""A walk: one random call after the other, by everyone, at everything."""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import quote, urlencode, urljoin, urlsplit

from asgiref.sync import async_to_sync
from django.urls import resolve
from django.urls.exceptions import Resolver404

from tests.conftest import undone
from tests.portal.test_hostile_values import PLACE, addresses
from tests.random_walk.cast import DETECTOR_CALL, Caller, cast
from tests.random_walk.checks import Rows, Told, leaks
from tests.random_walk.forms import Field, Form, forms_of
from tests.random_walk.sockets import frames_of
from tests.random_walk.values import HOSTILE, Values
from tests.random_walk.world import World, build
from tests.routes import BODIES, named_routes

STEPS_PER_LIFE: Final = 40
"""After so many, everything is undone: people sign out, admins remove each other."""
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
MODELS: Final = {
    "request_id": ("MitigationRequest",),
    "mitigation_id": ("Mitigation",),
    "unknown_id": ("UnknownMitigation",),
    "resource_id": ("ProtectedResource",),
    "member_id": ("User",),
    "invitation_id": ("Invitation",),
    "staff_id": ("User",),
    "staff_invitation_id": ("Invitation",),
    "organization_id": ("Organization",),
    "domain_id": ("EmailDomain",),
    "factor_id": ("Authenticator", "RecoveryKit"),
    "subscription_id": ("Subscription",),
    "endpoint_id": ("AlertEndpoint",),
    "channel_id": ("NoticeChannel",),
    "device_id": ("PushDevice",),
    "payload_id": ("AlertPayload",),
    "token_id": ("ServiceToken",),
    "plan_id": ("StandbyPlan",),
    "drill_id": ("Drill",),
    "reset_id": ("FactorReset",),
}


@dataclass(slots=True)
class Walked:
    """What a walk was like."""

    known: int = 0
    "how many routes there are, sockets included, without Django's own pages"
    steps: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    routes: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    "of those, the ones that did what they were asked, at least once"
    frames: int = 0
    faults: list[str] = field(default_factory=list)


class Walk:
    """Everything is decided by `seed`."""

    def __init__(self, seed: int) -> None:
        self.walked = Walked()
        self._chance = Random(seed)
        self._world: World = build()
        self._callers = cast(self._world)
        self._rows = Rows(self._world)
        self._values = Values(self._chance, self._world)
        self._calls = [one for one in addresses() if one[0].startswith("api:")]
        self._admin_routes = [one for one in addresses() if one[0].startswith("staff:")]
        others = {*self._calls, *self._admin_routes}
        self._pages = [one for one in addresses() if one not in others]
        self.walked.known = len({name for name, _ in (*self._calls, *self._pages)}) + 1
        [self._receipt] = [one for one in self._calls if one[0] == DETECTOR_CALL]
        self._methods = _methods()
        self._told = Told()
        self._last = 0
        "the newest status"

    def run(self, steps: int) -> Walked:
        """Walk so far, in lives of which each begins with the same rows."""
        logging.disable(logging.CRITICAL)
        # Channels would close the connection with the walk's transaction. Django's test client
        # leaves this out of its calls too.
        with patch("channels.db.close_old_connections"):
            while self.walked.steps < steps:
                with undone():
                    self._live(min(STEPS_PER_LIFE, steps - self.walked.steps))
        logging.disable(logging.NOTSET)
        return self.walked

    def _live(self, steps: int) -> None:
        self._told = Told()
        self._rows.start_again()
        callers = [one.again() for one in self._callers]
        for one in callers:
            self._told.note(one, one.knows)
        for _ in range(steps):
            self._step(self._chance.choices(callers, [one.weight for one in callers])[0])

    def _step(self, caller: Caller) -> None:
        self.walked.steps += 1
        caller = caller.as_now()
        what = self._chance.random()
        if what < 0.04:
            self._socket(caller)
        elif what < 0.1 and caller.is_staff:
            self._visit(caller, *self._chance.choice(self._admin_routes))
        elif what < 0.6 and caller.secret:
            self._api(caller, *self._receipt)
        elif what < (0.9 if caller.is_program else 0.4):
            self._api(caller, *self._chance.choice(self._calls))
        else:
            self._visit(caller, *self._chance.choice(self._pages))

    # Kinds of steps.

    def _visit(self, caller: Caller, name: str, route: str) -> None:
        """A page and one of its forms, or a form without its page."""
        url = self._url(caller, route)
        if self._chance.random() < 0.1:
            self._call(caller, name, self._chance.choice(METHODS), url, "", FORM)
            return
        page = self._call(caller, name, "GET", url, "", FORM)
        if self._last == NO_SUCH_METHOD:
            base = Form(fields=[Field(key, str(one)) for key, one in BODIES.get(name, {}).items()])
            body = _encoded(self._values.filled(base, caller.sees))
            self._call(caller, name, "POST", url, body, FORM)
        forms = [one for one in forms_of(page) if one.method == "post"]
        if forms:
            form = self._chance.choice(forms)
            action = urljoin(url, form.action) if form.action else url
            if urlsplit(action).netloc:
                return
            if self._chance.random() < 0.2:
                action = self._moved(action)
            typed = self._values.filled(form, caller.sees)
            self._call(caller, _name_of(action), "POST", action, _encoded(typed), FORM)

    def _api(self, caller: Caller, name: str, route: str) -> None:
        methods = METHODS[:5] if self._chance.random() < 0.1 else self._methods[name]
        method = self._chance.choice(methods)
        url = self._url(caller, route)
        path = PLACE.sub(lambda place: f"{{{place[1] or place[2]}}}", route)
        base = BODIES.get(name, {})
        body = self._values.body(path, method, base, caller.sees) if method != "GET" else None
        text = "" if body is None else json.dumps(body)
        if self._chance.random() < 0.03:
            text = self._chance.choice(("{", "[" * 200, "\0", '{"a": 1, "a": 2}', "NaN"))
        self._call(caller, name, method, url, text, JSON)

    def _socket(self, caller: Caller) -> None:
        slug = self._values.tenant(caller.sees).slug
        with self._rows.watched():
            code, frames = frames_of(caller, slug)
        self.walked.statuses[code] += 1
        self.walked.routes.add("socket")
        self.walked.frames += len(frames)
        self._check(caller, "socket", f"socket of {slug}", "\n".join(frames))
        if code == 0 and slug not in caller.sees:
            self._fault(caller, f"socket of {slug}", "opens")

    # The call, and what is checked after it.

    def _call(
        self, caller: Caller, name: str, method: str, url: str, body: str, content_type: str
    ) -> str:
        caller.client.raise_request_exception = False
        self._told.note(caller, url + " " + body)
        with self._rows.watched():
            answer: Any = caller.client.generic(method, url, body, content_type=content_type)
            try:
                shown = async_to_sync(_download)(answer) if answer.streaming else answer.content
            except Exception as error:  # noqa: BLE001  any exception is a fault that the walk reports
                shown = b""
                self._fault(caller, f"{method} {url[:200]}", f"breaks off: {error!r}")
        status = self._last = answer.status_code
        text = shown.decode("utf-8", "replace")
        self.walked.statuses[status] += 1
        self.walked.routes.add(name)
        if status < 400 and not _is_sign_in(answer):
            self.walked.answered.add(name)
        what = f"{method} {name} {url[:200]} {body[:300]} -> {status}"
        if status >= 500:
            self._fault(caller, what, f"answers {status}: {text[:200]!r}")
        headers = "\n".join(f"{key}: {value}" for key, value in answer.headers.items())
        self._check(caller, name, what, f"{headers}\n{text}")
        return text if "html" in answer.headers.get("Content-Type", "") else ""

    def _check(self, caller: Caller, route: str, what: str, shown: str) -> None:
        for leak in leaks(self._world, self._told, caller, route, shown):
            self._fault(caller, what, leak)
        for change in self._rows.changes(caller, route):
            self._fault(caller, what, change)

    def _fault(self, caller: Caller, what: str, fault: str) -> None:
        self.walked.faults.append(f"step {self.walked.steps}: {caller.name}: {what}: {fault}")

    # Addresses.

    def _url(self, caller: Caller, route: str) -> str:
        own = self._values.tenant(caller.sees)
        other = own if self._chance.random() < 0.7 else self._values.tenant(caller.sees)

        def value(name: str) -> str:
            if self._chance.random() < 0.04:
                return quote(self._chance.choice(HOSTILE)[:300] or "x", safe="")
            if name == "slug":
                return own.slug
            if name in ("provider_id", "object_id"):
                return self._values.id_of(other, "Subscription")
            if name == "kind":
                return self._chance.choice(("app", "passkey", "codes"))
            if name in MODELS:
                return self._values.id_of(other, *MODELS[name])
            return "not-a-link-that-was-sent"

        url = PLACE.sub(lambda place: value(place[1] or place[2]), route)
        if self._chance.random() < 0.05:
            query = self._chance.choice(("cursor", "after", "limit", "next", "before", "q"))
            url += f"?{query}={quote(self._chance.choice(HOSTILE)[:300])}"
        return url

    def _moved(self, url: str) -> str:
        """The same form at another tenant's address, or about a row of its."""
        other = self._values.tenant(frozenset())
        for tenant in self._world.tenants.values():
            if self._chance.random() < 0.5:
                url = url.replace(f"/organizations/{tenant.slug}/", f"/organizations/{other.slug}/")
            for model, pks in tenant.ids.items():
                for pk in pks:
                    if len(str(pk)) > 30 and str(pk) in url and other.ids.get(model):
                        return url.replace(str(pk), self._values.id_of(other, model))
        return url


NO_SUCH_METHOD: Final = 405
NO_SUCH_PAGE: Final = "no such page"
FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"


async def _download(answer: Any) -> bytes:
    return b"".join([part async for part in answer])


def _methods() -> dict[str, tuple[str, ...]]:
    """What each call of the API offers."""
    views = [(name, getattr(entry.callback, "cls", None)) for name, entry in named_routes()]
    return {
        name: tuple(one for one in METHODS[:5] if hasattr(view, one.lower())) or METHODS[:1]
        for name, view in views
        if name.startswith("api:")
    }


def _encoded(typed: dict[str, str]) -> str:
    return urlencode(typed, errors="replace")


def _is_sign_in(answer: Any) -> bool:
    return bool(answer.headers.get("Location", "").startswith("/sign-in"))


def _name_of(url: str) -> str:
    try:
        found = resolve(urlsplit(url).path)
    except (Resolver404, ValueError):
        return NO_SUCH_PAGE
    return f"{found.namespace}:{found.url_name}" if found.namespace else str(found.url_name)
