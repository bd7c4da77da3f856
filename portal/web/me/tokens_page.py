"""The tab "Tokens": what programs use to act for the person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from django.urls import reverse

from portal.accounts import services
from portal.accounts.models import ApiToken, User
from portal.accounts.scopes import Scope
from portal.sso.queries import TOKENS_LAST
from portal.web.me.navigation import MePage
from portal.web.options import Option, rights
from portal.web.token_form import MadeToken, TokenForm, TokenRow

SCOPES: Final = {
    Scope.READ.value: ("Read", "sees what you see"),
    Scope.REQUEST.value: ("Request", "also requests, extends and terminates mitigation"),
    Scope.ADMIN.value: ("Admin", "does all that you may"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensPage(MePage):
    """The list, and the form for a new token."""

    template: ClassVar = "me/tokens.html"
    tab: ClassVar = "tokens"

    headline: str
    tokens: Sequence[TokenRow]
    form: TokenForm
    rights: Sequence[Option]
    sso_days: int
    "0 unless an identity provider opened this session: its tokens end this long after the last one"
    most_days: int = services.MAX_TOKEN_DAYS
    error: str = ""
    made: MadeToken | None = None


def tokens_page(
    person: User,
    *,
    by_sso: bool,
    form: TokenForm | None = None,
    error: str = "",
    made: MadeToken | None = None,
) -> TokensPage:
    own = list(services.named_tokens(person))
    form = form or TokenForm(right=Scope.READ.value)
    return TokensPage(
        person=person,
        headline="1 token." if len(own) == 1 else f"{len(own) or 'No'} tokens.",
        tokens=[_row(one) for one in own],
        form=form,
        rights=rights(SCOPES, form.right),
        sso_days=TOKENS_LAST.days if by_sso else 0,
        error=error,
        made=made,
    )


def _row(token: ApiToken) -> TokenRow:
    return TokenRow(
        name=token.device_name,
        hint=token.token_key,
        right=SCOPES[token.scope][0],
        by="",
        networks=token.allowed_networks.split(),
        made_at=token.created,
        ends_at=token.expiry,
        last_used_at=token.last_used_at,
        last_used_address=token.last_used_address,
        revoke=reverse("me:revoke-token", args=[token.device_id]),
    )
