"""The acts of audit entries, apart from those that are events (portal.events.acts)."""

from __future__ import annotations

from django.db import models


class Verb(models.TextChoices):
    """The stable names of the API and of filters.

    Each has its sentence in portal/wording/audit.py.
    """

    # people and how they sign in
    SIGNED_IN = "person.signed_in"
    SIGN_IN_REFUSED = "person.sign_in_refused"
    SIGN_IN_SLOWED = "person.sign_in_slowed"
    STEPPED_UP = "person.stepped_up"
    SIGNED_OUT = "person.signed_out"
    FACTOR_ENROLLED = "person.factor_enrolled"
    FACTOR_RESET = "person.factor_reset"
    RECOVERY_CODES_RENEWED = "person.recovery_codes_renewed"
    PASSWORD_CHANGED = "person.password_changed"  # noqa: S105 - no password
    PERSON_DEACTIVATED = "person.deactivated"
    PERSON_ADDED = "person.added"
    TOKEN_ISSUED = "token.issued"  # noqa: S105 - no password
    TOKEN_FIRST_USED = "token.first_used"  # noqa: S105 - no password
    TOKEN_ENDED = "token.ended"  # noqa: S105 - no password

    # refusals
    ACCESS_REFUSED = "access.refused"

    # resources, beside the events of what was found
    RESOURCE_CHECK_ASKED = "resource.check_asked"

    # standby plans, beside the events of their requests
    PLAN_CHANGED = "plan.changed"
    PLAN_REMOVED = "plan.removed"

    # the portal's staff
    ORGANIZATION_ADDED = "organization.added"
    STAFF_ADDED = "staff.added"
    STAFF_CHANGED = "staff.changed"
    STAFF_DELETED = "staff.deleted"
    SECRETS_ROTATED = "secrets.rotated"

    # the audit itself
    EXPORTED = "audit.exported"
    MAIL_CHANGED = "audit.mail_changed"
    CUT = "audit.cut"
