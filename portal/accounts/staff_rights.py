"""What the portal's staff may do: by permissions, which a role gives them."""

from __future__ import annotations

from dataclasses import dataclass

from portal.accounts.models import ApiToken, User
from portal.core.errors import NotAllowed, NotSignedIn


@dataclass(frozen=True, slots=True)
class StaffRight:
    """The right of staff to `act`, which needs all of the permissions."""

    act: str
    permissions: tuple[str, ...]

    def is_held_by(self, user: User) -> bool:
        return user.is_active and user.is_staff and user.has_perms(self.permissions)

    def require(self, user: User) -> None:
        """NotAllowed for everyone else, when a call begins."""
        if not self.is_held_by(user):
            raise NotAllowed(f"Only portal staff who may {self.act} can do this.")

    def require_still(self, user: User) -> None:
        """Lock the person's row until the transaction ends, and check again what `require` allowed
        when the call began. Every act of staff calls this before it writes, after the locks of the
        organization.

        Everything that ends the right locks the same row, or the row of the API token: it is done
        before this check, which then refuses, or it waits for the caller's transaction.
        """
        now = User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()
        if now is None:
            raise NotSignedIn("This account was deleted.")
        self.require(now)
        if user.acting_token is not None:
            own = ApiToken.objects.select_for_update(no_key=True)
            if own.filter(pk=user.acting_token.pk).first() is None:
                raise NotSignedIn("This token was revoked.")
