"""What a caller types: something plausible, something hostile, or something of another tenant."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

import yaml

from tests.factories import app_code
from tests.random_walk.forms import Form
from tests.random_walk.world import Tenant, World

SCHEMA: Final = Path(__file__).parents[2] / "docs" / "openapi.yaml"
HOSTILE: Final = (
    "", " ", "\0", "x" * 5000, "9" * 5000, "-1", "٣", "²", "NaN", "1e400", str(2**64), "null",
    "<script>alert(1)</script>", "{{ 7*7 }}", "' OR 1=1 --", "../../etc/passwd", "x\r\nX-A: b",
    "\u202etxt.exe", "\U0001f480", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    "00000000-0000-0000-0000-000000000000", "0.0.0.0/0", "::/0", "co.uk", "https://169.254.169.254/",
)  # fmt: skip
HOSTILE_JSON: Final[tuple[Any, ...]] = (
    None,
    True,
    [],
    {},
    [[]],
    {"": {}},
    -1,
    2**70,
    1e308,
    [None],
    ["x"] * 300,
)
WORDS: Final[dict[str, tuple[str, ...]]] = {
    "reason": ("Called back at a known number", "x"),
    "name": ("Renamed", "Second one"),
    "display_name": ("A name",),
    "email": ("new@example.com",),
    "typed": ("someone",),
    "role": ("viewer", "operator", "approver", "admin", "support", "manager"),
    "limit": ("200", "1"),
    "right": ("viewer", "operator", "read", "request"),
    "scope": ("read", "request", "admin"),
    "days": ("1", "90"),
    "password": ("wrong",),
    "current_password": ("wrong",),
    "new_password": ("another staple altogether",),
    "username": ("someone",),
    "lifetime": ("3600", "7200"),
    "attack_status": ("under-attack", "attack-successfully-mitigated"),
    "method": ("dns", "http"),
    "source": ("plain", "fastnetmon"),
    "preset": ("standard",),
}


class Values:
    """Chooses with one source of chance, for callers of one tenant or of none."""

    def __init__(self, chance: Random, world: World) -> None:
        self.chance = chance
        self.world = world

    def tenant(self, own: frozenset[str]) -> Tenant:
        """Mostly the caller's own."""
        known = list(self.world.tenants)
        mostly = sorted(own) if own and self.chance.random() < 0.75 else known
        return self.world.tenants[self.chance.choice(mostly)]

    def id_of(self, tenant: Tenant, *models: str) -> str:
        """A row of one of these models, or now and then any row."""
        wanted = [pk for name in models for pk in tenant.ids.get(name, [])]
        if not wanted or self.chance.random() < 0.1:
            wanted = [pk for name in sorted(tenant.ids) for pk in tenant.ids[name]]
        return str(self.chance.choice(wanted))

    def of(self, tenant: Tenant) -> str:
        """Any text, name or id of the tenant."""
        match self.chance.randrange(4):
            case 0:
                return self.chance.choice(tenant.canaries)
            case 1:
                return self.id_of(tenant)
            case 2:
                return tenant.address(self.chance.randrange(64))
            case _:
                person = self.chance.choice(list(tenant.people.values()))
                return self.chance.choice([person.username, person.email, tenant.slug])

    def text(self, name: str, given: str, own: frozenset[str]) -> str:
        """For a field of this name, which has a value already."""
        what = self.chance.random()
        if what < 0.06:
            return self.chance.choice(HOSTILE)
        if what < 0.14:
            return self.of(self.chance.choice(list(self.world.tenants.values())))
        if name in ("otp", "code"):
            return app_code()
        if given and what < 0.6:
            return given
        if name in WORDS:
            return self.chance.choice(WORDS[name])
        if name in ("targets", "other", "value", "prefixes"):
            return self.tenant(own).address(self.chance.randrange(64))
        return given

    def filled(self, form: Form, own: frozenset[str]) -> dict[str, str]:
        typed: dict[str, str] = {}
        for field in form.fields:
            if field.choices:
                chosen = self.chance.choice([*field.choices, *[field.value] * 2])
                if chosen:
                    typed[field.name] = chosen
                if self.chance.random() > 0.1:
                    continue
            typed[field.name] = self.text(field.name, field.value, own)
        return typed

    def body(self, path: str, method: str, base: dict[str, Any], own: frozenset[str]) -> Any:
        """For a call of the API: what is known to be accepted, changed at up to three places."""
        if self.chance.random() < 0.03:
            return self.chance.choice(HOSTILE_JSON)
        body = dict(_moved(base, self.tenant(own).network))
        names = _names_of(path, method)
        for _ in range(self.chance.choice((0, 0, 1, 1, 2, 3))):
            if names:
                name = self.chance.choice(names)
                body[name] = self._json(name, own)
        return body

    def _json(self, name: str, own: frozenset[str]) -> Any:
        what = self.chance.random()
        if what < 0.15:
            return self.chance.choice(HOSTILE_JSON)
        if what < 0.3 and name.endswith(("s", "by")):
            return [self.of(self.tenant(own))]
        if what < 0.4 and name == "targets":
            return {"prefixes": [self.tenant(own).address(self.chance.randrange(64))]}
        return self.text(name, "", own)


def _moved(value: Any, network: str) -> Any:
    """The same about another network: the bodies of the tests name Acme's."""
    if isinstance(value, dict):
        return {name: _moved(one, network) for name, one in value.items()}
    if isinstance(value, list):
        return [_moved(one, network) for one in value]
    return value.replace("203.0.113", network) if isinstance(value, str) else value


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = yaml.load(SCHEMA.read_text(), Loader=yaml.CSafeLoader)
    return schema


@cache
def _names_of(path: str, method: str) -> list[str]:
    """The names that the body of a call may have, by the schema."""
    call = _schema()["paths"].get(path, {}).get(method.lower(), {})
    content = call.get("requestBody", {}).get("content", {}).get("application/json", {})
    reference = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return sorted(_schema()["components"]["schemas"].get(reference, {}).get("properties", ()))
