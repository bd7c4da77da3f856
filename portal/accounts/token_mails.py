"""The mails about new tokens. Pure functions."""

from __future__ import annotations

from typing import Final

from portal.accounts.account_mails import AccountMail
from portal.accounts.scopes import Scope

MAY: Final = {
    Scope.READ: "read what you may see",
    Scope.REQUEST: "request, extend and terminate mitigation as you may",
    Scope.ADMIN: "do everything that you may",
}


def token_made(username: str, name: str, *, scope: Scope, address: str) -> AccountMail:
    return AccountMail(
        f"A new API token: {name}",
        f"""Hello {username},

You made the API token "{name}"{_origin(address)}. With it, a program can
{MAY[scope]}.

If you did not make it, revoke it under Me > Tokens now, change your password, and tell an
admin of your organization.
""",
    )


def service_token_made(
    username: str, name: str, *, by: str, organization: str, role: str, address: str
) -> AccountMail:
    return AccountMail(
        f"{organization} has a new service token: {name}",
        f"""Hello {username},

{by} made the service token "{name}"{_origin(address)}. With it, a program can act in
{organization} with the role {role}, until it ends or an admin revokes it.

If no one expects it, revoke it under Settings > Tokens now.
""",
    )


def _origin(address: str) -> str:
    return f" from the address {address}" if address else ""
