"""A person's consent to replace live requests and unknown mitigations, and the refusal without it
(ADR 25).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypedDict
from uuid import UUID

from portal.core.errors import Conflict, FieldError, Invalid
from portal.mitigations.replacement import Replaced
from portal.mitigations.unknown import Unknown


class WouldReplace(Conflict):
    """The request would replace live requests without consent."""

    code = "would-replace"
    title = "A live request would be replaced"

    def __init__(self, replaced: Sequence[Replaced]) -> None:
        names = ", ".join(dict.fromkeys(one.name for one in replaced))
        super().__init__(
            f"Nothing was sent. A provider holds only the newer of two requests for the same "
            f"addresses: "
            f"this would replace {names}."
        )
        self.replaced = tuple(replaced)

    @property
    def members(self) -> Mapping[str, object]:
        return {"replaces": [replaced_body(one) for one in self.replaced]}


class ReplacedBody(TypedDict):
    """A replaced request or mitigation, as the API shows it."""

    request: str | None
    unknown_mitigation: str | None
    name: str
    status: str | None
    providers: list[str]
    loses: list[str]
    protects_all: bool


def replaced_body(replaced: Replaced) -> ReplacedBody:
    is_unknown = isinstance(replaced.what, Unknown)
    return ReplacedBody(
        request=None if is_unknown else str(replaced.id),
        unknown_mitigation=str(replaced.id) if is_unknown else None,
        name=replaced.what.name,
        status=replaced.what.status,
        providers=[one.provider for one in replaced.endings],
        loses=[str(loss) for loss in replaced.losses],
        protects_all=replaced.protects_all,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """The live requests and unknown mitigations that a new request may replace."""

    named: tuple[UUID, ...] = ()
    is_exact: bool = False
    """each named request must be live and would be replaced; a page may name requests that have
    ended since
    """
    wider_is_free: bool = False
    "requests that the new one fully covers and exceeds need not be named"
    is_joint: bool = False
    "make one request that covers everything it would replace"
    unknown_is_free: bool = False
    "unknown mitigations that the new request fully covers need not be named"

    @property
    def is_for_some(self) -> bool:
        """It can change the request, or names something."""
        return bool(self.named) or self.is_joint

    def check(self, found: Sequence[Replaced]) -> None:
        """Raises Invalid if a named request would not be replaced, WouldReplace with `found` if one
        is not named.
        """
        if self.is_exact:
            _refuse_strangers(self.named, [one.id for one in found])
        if not all(self._allows(one) for one in found):
            raise WouldReplace(found)

    def _allows(self, one: Replaced) -> bool:
        if self.is_joint:
            return not one.losses
        is_free = self.wider_is_free and not (one.losses or one.protects_all)
        if self.unknown_is_free and isinstance(one.what, Unknown):
            is_free = not one.losses
        return is_free or one.id in self.named


NO_CONSENT: Final = Consent()


def _refuse_strangers(named: Sequence[UUID], known: Collection[UUID]) -> None:
    # The same answer for a request that has ended, does not overlap or belongs to another
    # organization.
    message = (
        "This is not a live request or unknown mitigation that would be replaced. Leave it out."
    )
    errors = [
        FieldError(f"replaces.{index}", "not-replaced", message)
        for index, request in enumerate(named)
        if request not in known
    ]
    if errors:
        things = "one thing" if len(errors) == 1 else f"{len(errors)} things"
        raise Invalid(f"Nothing was sent. Correct {things}.", errors=errors)
