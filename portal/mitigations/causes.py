"""Codes for why a provider was asked and why policy withdrew one. portal.wording writes the
sentences.
"""

from __future__ import annotations

from typing import Final

from django.db import models


class Cause(models.TextChoices):
    """Why a provider was asked. The causes in `FAILOVER_CAUSES` go with the provider that did not
    help.
    """

    FIRST = "first"
    """The request asked it first, before any provider failed."""
    BY_HAND = "by_hand"
    """A person asked it, regardless of the order."""
    HELD_AGAIN = "held_again"
    """It stopped filtering for a plan and now holds the plan again."""
    REFUSED = "refused"
    EXCEEDED = "exceeded"
    """The previous provider is over capacity."""
    WITHDREW = "withdrew"
    """The previous provider stopped on its own."""
    SILENT = "silent"
    """The previous provider did not answer in time."""
    TOLD_TO_WAIT = "told_to_wait"
    """The previous provider, or a gateway on the path, asked the portal to wait."""
    LOOPED = "not_reached", "Not Reached"
    """The request to the previous provider looped between gateways."""
    NOT_SENDABLE = "not_sendable"
    """The portal could not send the request to the previous provider."""
    NOT_SAVED = "not_saved"
    """The portal could not save the answer of the previous provider."""
    OTHER = "other"
    """An earlier release saved a reason without a code; only its text is known."""


FAILOVER_CAUSES: Final = frozenset(Cause) - {Cause.FIRST, Cause.BY_HAND, Cause.HELD_AGAIN}
"""The provider was asked because another one did not help."""


class WithdrawnCause(models.TextChoices):
    """Why policy withdrew a provider. Empty if a person did, or if the whole request ended."""

    EARLIER_FILTERS = "earlier_filters"
    """Providers earlier in the order report that they filter every target of it."""
    OTHER = "other"
    """An earlier release saved a reason without a code; only its text is known."""
