"""Who calls, with which credential, and what each may see and change."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from typing import Any, Final

from django.test import Client
from django_otp import DEVICE_ID_SESSION_KEY

from portal.accounts import services as accounts
from portal.accounts.models import Authenticator, User
from portal.accounts.scopes import Scope
from portal.accounts.services.sessions import note_factor
from portal.organizations import acting
from portal.organizations.models import Membership, Role
from tests.factories import PASSWORD, service_token
from tests.random_walk.world import Tenant, World

STAFF_PARTS: Final = ("staff", "staff-pages", "staff-people", "staff-providers")
STAFF_CALLS: Final = (
    "api:organizations", "api:acting", "api:suspension", "api:organization-name", "api:closing",
    "api:live-limit", "api:admins", "api:admin-invitation", "api:remove-admin",
    "api:staff", "api:colleague", "api:staff-lost-phone", "api:confirm-staff-lost-phone",
    "api:staff-invitations", "api:staff-invitation", "api:send-staff-invitation",
    "api:claims", "api:claim", "api:verify-claim", "api:refuse-claim",
)  # fmt: skip
PERSONAL_PARTS: Final = ("accounts", "me", "single-sign-on", "invitations", "staff-pages")
PERSONAL_CALLS: Final = (
    "api:me", "api:token", "api:step-up", "api:accept-invitation", "api:acting",
)  # fmt: skip
LEAVING: Final = ("settings:remove", "api:member")
RESET_OF_OWN_FACTOR: Final = ("settings:cancel-lost-phone", "api:lost-phone")
SIGN_IN: Final = ("accounts", "single-sign-on", "api:token")
"""Where a stranger may name a person: the try is in the audit of the person's organizations."""
AUDIT_TABLES: Final = frozenset({"audit_entry", "audit_chain", "audit_seal"})
USE_OF_CREDENTIALS: Final = frozenset(
    {"accounts_apitoken", "accounts_browsersession", "organizations_servicetoken"}
)
"""Where each use is noted."""
ACTING_TABLES: Final = frozenset(
    {"organizations_staffacting", "mitigations_event", "mitigations_eventcounter"}
)
DETECTOR_TABLES: Final = ("alerts_",)
DETECTOR_CALL: Final = "api:receive-alerts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One credential."""

    name: str
    client: Client
    sees: frozenset[str] = frozenset()
    "slugs of the tenants whose rows it may read"
    changes: frozenset[str] = frozenset()
    "and of those whose rows it may change"
    user: User | None = None
    token: str = ""
    is_staff: bool = False
    secret: str = ""
    "the slug of the tenant whose detector it is"
    knows: str = ""
    "what it typed before the walk"

    @property
    def is_program(self) -> bool:
        return bool(self.token or self.secret)

    @property
    def weight(self) -> float:
        """How often it calls: browsers of members most."""
        if self.user is None and not self.token:
            return 0.5
        return 1.0 if self.token else 3.0

    def as_now(self) -> Caller:
        """Staff see and change what they act for at this moment. Everyone else may have joined an
        organization: staff add people to any.
        """
        if self.user is None:
            return self
        if not self.is_staff:
            found = Membership.objects.filter(user=self.user)
            joined = frozenset(found.values_list("organization__slug", flat=True))
            changes = self.changes | (joined - self.sees if self.changes else frozenset())
            return replace(self, sees=self.sees | joined, changes=changes)
        now = acting.may_act(self.user, self.client.session)
        own = frozenset({now.slug}) if now else frozenset()
        return replace(self, sees=own, changes=own)

    def again(self) -> Caller:
        """The same, with the cookies that its browser had at first."""
        client = copy(self.client)
        client.cookies = deepcopy(client.cookies)
        return replace(self, client=client)

    def may_see(self, slug: str, route: str) -> bool:
        return slug in self.sees or (self.is_staff and _is_of(route, STAFF_PARTS, STAFF_CALLS))

    def may_change(self, slug: str, table: str, route: str) -> bool:
        if slug in self.changes:
            return True
        if self.is_staff and _is_of(route, STAFF_PARTS, STAFF_CALLS):
            return True
        if self.is_staff and _is_personal(route):
            # Ending their other sessions ends what these act for.
            return table in ACTING_TABLES or table in AUDIT_TABLES
        if route == DETECTOR_CALL and self.secret and slug in self.secret:
            return table.startswith(DETECTOR_TABLES)
        if _is_of(route, SIGN_IN, SIGN_IN) and table in AUDIT_TABLES:
            return True
        if slug not in self.sees:
            return False
        is_own_business = _is_personal(route) or route in (*LEAVING, *RESET_OF_OWN_FACTOR)
        return table in AUDIT_TABLES or table in USE_OF_CREDENTIALS or is_own_business


def _is_personal(route: str) -> bool:
    """Whether it is about the caller's own account."""
    return _is_of(route, PERSONAL_PARTS, PERSONAL_CALLS) or route.startswith("api:my-")


def _is_of(route: str, parts: tuple[str, ...], calls: tuple[str, ...]) -> bool:
    return route.partition(":")[0] in parts or route in calls


def cast(world: World) -> list[Caller]:
    """Everyone, each with one credential. Their tokens and sessions are rows: made once."""
    own = [caller for tenant in world.tenants.values() for caller in _of(tenant)]
    both = Caller(
        name="nora of acme and globex",
        client=browser_of(world.both),
        sees=frozenset({"acme", "globex"}),
        changes=frozenset({"acme"}),
        user=world.both,
    )
    return [
        Caller(name="anonymous", client=Client()),
        _half_signed_in(world),
        *own,
        both,
        Caller(
            name="staff",
            client=browser_of(world.staff),
            user=world.staff,
            is_staff=True,
            knows=_names(world),
        ),
        _acting(world, "acme"),
        _acting(world, "globex"),
    ]  # fmt: skip


def _half_signed_in(world: World) -> Caller:
    alice = world.tenants["acme"].people[Role.ADMIN]
    client = Client()
    client.post("/sign-in", {"username": alice.username, "password": PASSWORD})
    return Caller(name="half signed in", client=client, knows=alice.username)


def _of(tenant: Tenant) -> Iterator[Caller]:
    slug, sees = tenant.slug, frozenset({tenant.slug})
    for role, user in tenant.people.items():
        changes = frozenset() if role == Role.VIEWER else sees
        name = f"{role.value} of {slug}"
        yield Caller(name=name, client=browser_of(user), sees=sees, changes=changes, user=user)
    admin = tenant.people[Role.ADMIN]
    for scope in Scope:
        _, text = accounts.make_token(
            user=admin, name=f"{scope.value} script", scope=scope, days=1, networks=[]
        )
        changes = frozenset() if scope == Scope.READ else sees
        yield _program(f"{scope.value} token of {slug}", text, sees, changes, admin)
    for role in (Role.VIEWER, Role.OPERATOR):
        _, text = service_token(tenant.organization, name=f"{role.value} program", role=role)
        changes = frozenset() if role == Role.VIEWER else sees
        yield _program(f"{role.value} program of {slug}", text, sees, changes)
    client = Client(headers={"X-Alert-Key": tenant.alert_secret})
    yield Caller(name=f"detector of {slug}", client=client, secret=slug)


def _program(
    name: str, text: str, sees: frozenset[str], changes: frozenset[str], user: User | None = None
) -> Caller:
    client = Client(headers={"Authorization": f"Bearer {text}"})
    return Caller(name=name, client=client, sees=sees, changes=changes, user=user, token=text)


def _acting(world: World, slug: str) -> Caller:
    client = browser_of(world.staff)
    acting.begin(
        slug=slug, user=world.staff, credential=client.session, reason="They called about a form"
    )
    own = frozenset({slug})
    return Caller(
        name=f"staff acting for {slug}",
        client=client,
        sees=own,
        changes=own,
        user=world.staff,
        is_staff=True,
        knows=_names(world),
    )


def _names(world: World) -> str:
    """Of all organizations, which staff see on their own pages."""
    return " ".join(one.organization.name for one in world.tenants.values())


def browser_of(user: User) -> Client:
    """A browser of a person who gave password and code."""
    client = Client()
    client.force_login(user)
    session: Any = client.session
    note_factor(session)
    factor = Authenticator.objects.filter(user=user).order_by("pk")[0]
    session[DEVICE_ID_SESSION_KEY] = factor.persistent_id
    session.save()
    return client
