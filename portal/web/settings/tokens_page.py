"""Tokens: what programs of the organization use, for its admins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from django.urls import reverse

from portal.accounts.services import MAX_TOKEN_DAYS
from portal.organizations.models import Role, ServiceToken
from portal.organizations.service_tokens import tokens_of
from portal.web.frame import Frame
from portal.web.options import Option, rights
from portal.web.settings.navigation import SettingsPage
from portal.web.token_form import MadeToken, TokenForm, TokenRow

ROLES: Final = {
    Role.VIEWER.value: ("Viewer", "reads, and follows the events"),
    Role.OPERATOR.value: ("Operator", "also requests, extends and terminates mitigation"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTokensPage(SettingsPage):
    """The list, and the form for a new token."""

    template: ClassVar = "settings/tokens.html"
    tab: ClassVar = "tokens"

    headline: str
    tokens: Sequence[TokenRow]
    form: TokenForm
    rights: Sequence[Option]
    most_days: int = MAX_TOKEN_DAYS
    error: str = ""
    made: MadeToken | None = None


def service_tokens_page(
    start: Frame,
    *,
    form: TokenForm | None = None,
    error: str = "",
    made: MadeToken | None = None,
) -> ServiceTokensPage:
    own = list(tokens_of(start.organization))
    form = form or TokenForm(right=Role.VIEWER.value)
    return ServiceTokensPage(
        frame=start,
        title="Tokens",
        headline="1 service token." if len(own) == 1 else f"{len(own) or 'No'} service tokens.",
        tokens=[_row(one) for one in own],
        form=form,
        rights=rights(ROLES, form.right),
        error=error,
        made=made,
    )


def _row(token: ServiceToken) -> TokenRow:
    return TokenRow(
        name=token.name,
        hint=token.hint,
        right=ROLES[token.role][0],
        by=token.created_by.username if token.created_by else "a person whose account is gone",
        networks=token.allowed_networks.split(),
        made_at=token.created_at,
        ends_at=token.expires_at,
        last_used_at=token.last_used_at,
        last_used_address=token.last_used_address,
        revoke=reverse("settings:revoke-token", args=[token.organization.slug, token.pk]),
    )
