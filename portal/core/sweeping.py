"""Handle many rows independently."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from portal.core.database import is_away

logger = logging.getLogger(__name__)

T = TypeVar("T")


def count_done(call: Callable[[T], bool | int], rows: Iterable[T]) -> int:
    """The sum of `call` over all rows.

    A defect in one row is logged and does not stop the others.
    """
    done = 0
    for row in rows:
        try:
            done += call(row)
        except Exception as error:
            # Catch any defect, since a row from an older release may break any step.
            if is_away(error):
                raise
            logger.exception("%s: skipping %s", getattr(call, "__name__", "sweep"), row)
    return done
