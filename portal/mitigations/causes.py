"""Why a provider was asked, and why policy withdrew one, as codes. portal.wording makes the
sentences.
"""

from __future__ import annotations

from typing import Final

from django.db import models


class Cause(models.TextChoices):
    """Why a provider was asked. `FALLBACK` has those that name a provider which did not help."""

    FIRST = "first"
    """The request itself asked it, before any provider had failed."""
    BY_HAND = "by_hand"
    """A person asked it, whatever the order says."""
    HELD_AGAIN = "held_again"
    """It stopped filtering for a plan, and holds the plan again."""
    REFUSED = "refused"
    EXCEEDED = "exceeded"
    """The provider before it is over capacity."""
    WITHDREW = "withdrew"
    """The provider before it stopped on its own."""
    SILENT = "silent"
    """The provider before it did not answer in time."""
    TOLD_TO_WAIT = "told_to_wait"
    """The provider before it, or a gateway on the way, asked the portal to wait."""
    NOT_REACHED = "not_reached"
    """The request to the provider before it went round in a loop."""
    NOT_SENDABLE = "not_sendable"
    """The portal could not send the request to the provider before it."""
    NOT_SAVED = "not_saved"
    """The portal could not save the answer of the provider before it."""
    OTHER = "other"
    """An earlier release gave a reason that has no code; its text is all that is known."""


FALLBACK: Final = frozenset(Cause) - {Cause.FIRST, Cause.BY_HAND, Cause.HELD_AGAIN}
"""The provider was asked in place of another that did not help."""


class WithdrawnCause(models.TextChoices):
    """Why policy withdrew a provider; none of them where a person did, or where the whole request
    ended.
    """

    EARLIER_FILTERS = "earlier_filters"
    """Providers before it in order report that they filter every target of it."""
    OTHER = "other"
    """An earlier release gave a reason that has no code; its text is all that is known."""
