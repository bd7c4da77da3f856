"""The settings of single sign-on as typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.http import QueryDict

from portal.sso.models import EmailDomain, GroupRole, SingleSignOn
from portal.sso.services import Setup

MAX_TYPED: Final = 20_000
"""Characters of one field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleSignOnForm:
    """Lists have one item per line."""

    issuer: str = ""
    client_id: str = ""
    client_secret: str = ""
    domains: str = ""
    groups_claim: str = ""
    roles: str = ""
    "`group: role`; the last colon counts"
    adds_members: bool = False
    has_second_factor: bool = False
    is_required: bool = False

    @classmethod
    def typed(cls, data: QueryDict) -> SingleSignOnForm:
        def text(name: str) -> str:
            return data.get(name, "").strip()[:MAX_TYPED]

        return cls(
            issuer=text("issuer"),
            client_id=text("client_id"),
            client_secret=text("client_secret"),
            domains=text("domains"),
            groups_claim=text("groups_claim"),
            roles=text("roles"),
            adds_members=data.get("adds_members") == "yes",
            has_second_factor=data.get("has_second_factor") == "yes",
            is_required=data.get("is_required") == "yes",
        )

    @classmethod
    def saved(cls, sso: SingleSignOn, domains: list[EmailDomain]) -> SingleSignOnForm:
        return cls(
            issuer=sso.issuer,
            client_id=sso.client_id,
            domains="\n".join(one.name for one in domains),
            groups_claim=sso.groups_claim,
            roles="\n".join(f"{one.group}: {one.role}" for one in sso.roles),
            adds_members=sso.adds_members,
            has_second_factor=sso.has_second_factor,
            is_required=sso.is_required,
        )

    def setup(self) -> Setup:
        return Setup(
            issuer=self.issuer,
            client_id=self.client_id,
            client_secret=self.client_secret,
            domains=_lines(self.domains),
            groups_claim=self.groups_claim,
            roles=[_role(line) for line in _lines(self.roles)],
            adds_members=self.adds_members,
            has_second_factor=self.has_second_factor,
            is_required=self.is_required,
        )


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _role(line: str) -> GroupRole:
    group, _, role = line.rpartition(":")
    return GroupRole(group=group.strip(), role=role.strip().lower())
