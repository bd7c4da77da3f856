"""All changes to claims, and the checks of them."""

from __future__ import annotations

from portal.ownership.services.change import needed_by, remove_resource, rename_resource
from portal.ownership.services.checks import (
    ask_check,
    begin_rechecks,
    make_due_checks,
    save_result,
)
from portal.ownership.services.claims import claim_of, claims_of
from portal.ownership.services.staff import (
    MAY_VERIFY,
    refuse_by_staff,
    verify_by_staff,
)

__all__ = [
    "MAY_VERIFY",
    "ask_check",
    "begin_rechecks",
    "claim_of",
    "claims_of",
    "make_due_checks",
    "needed_by",
    "refuse_by_staff",
    "remove_resource",
    "rename_resource",
    "save_result",
    "verify_by_staff",
]
