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
    PASSWORD_LINK_SENT = "person.password_link_sent"  # noqa: S105 - no password
    EMAIL_CHANGE_ASKED = "person.email_change_asked"
    EMAIL_CHANGED = "person.email_changed"
    FACTOR_RENAMED = "person.factor_renamed"
    FACTOR_REMOVED = "person.factor_removed"
    PROFILE_CHANGED = "person.profile_changed"
    NOTICES_CHOSEN = "person.notices_chosen"
    SESSION_ENDED = "person.session_ended"
    PERSON_DEACTIVATED = "person.deactivated"
    PERSON_ADDED = "person.added"
    TOKEN_ISSUED = "token.issued"  # noqa: S105 - no password
    TOKEN_FIRST_USED = "token.first_used"  # noqa: S105 - no password
    TOKEN_ENDED = "token.ended"  # noqa: S105 - no password
    SERVICE_TOKEN_ISSUED = "token.service_issued"  # noqa: S105 - no password
    SERVICE_TOKEN_FIRST_USED = "token.service_first_used"  # noqa: S105 - no password
    SERVICE_TOKEN_ENDED = "token.service_ended"  # noqa: S105 - no password

    # single sign-on
    SSO_CHANGED = "single_sign_on.changed"
    SSO_REMOVED = "single_sign_on.removed"
    SSO_DOMAIN_PROVED = "single_sign_on.domain_proved"
    SSO_DOMAIN_UNPROVED = "single_sign_on.domain_unproved"
    SSO_LINKED = "single_sign_on.linked"

    # refusals
    ACCESS_REFUSED = "access.refused"

    # resources, beside the events of what was found
    RESOURCE_CHECK_ASKED = "resource.check_asked"

    # connections, beside the events of what was changed
    CONNECTION_TEST_ASKED = "subscription.test_asked"

    # standby plans, beside the events of their requests
    PLAN_CHANGED = "plan.changed"
    PLAN_REMOVED = "plan.removed"

    # endpoints of detectors
    ALERT_ENDPOINT_ADDED = "alert_endpoint.added"
    ALERT_ENDPOINT_CHANGED = "alert_endpoint.changed"
    ALERT_ENDPOINT_ROTATED = "alert_endpoint.secret_rotated"
    ALERT_ENDPOINT_PREVIOUS_ENDED = "alert_endpoint.previous_secret_ended"
    ALERT_ENDPOINT_REMOVED = "alert_endpoint.removed"
    ALERT_ENDPOINT_TESTED = "alert_endpoint.tested"
    ALERT_PAYLOAD_REPLAYED = "alert_endpoint.payload_replayed"
    # channels of notices
    PUSH_DEVICE_ADDED = "person.push_device_added"
    PUSH_DEVICE_REMOVED = "person.push_device_removed"
    NOTICE_CHANNEL_ADDED = "notice_channel.added"
    NOTICE_CHANNEL_CHANGED = "notice_channel.changed"
    NOTICE_CHANNEL_ROTATED = "notice_channel.secret_rotated"
    NOTICE_CHANNEL_PREVIOUS_ENDED = "notice_channel.previous_secret_ended"
    NOTICE_CHANNEL_REMOVED = "notice_channel.removed"
    NOTICE_CHANNEL_TESTED = "notice_channel.tested"

    # the portal's staff
    ORGANIZATION_ADDED = "organization.added"
    PROVIDER_ADDED = "provider.added"
    PROVIDER_CHANGED = "provider.changed"
    STAFF_ADDED = "staff.added"
    STAFF_CHANGED = "staff.changed"
    STAFF_DELETED = "staff.deleted"
    STAFF_INVITED = "staff.invited"
    STAFF_INVITATION_REVOKED = "staff.invitation_revoked"
    STAFF_JOINED = "staff.joined"
    STAFF_ROLE_CHANGED = "staff.role_changed"
    STAFF_ENDED = "staff.ended"
    STAFF_FACTOR_RESET_STARTED = "staff.factor_reset_started"
    STAFF_FACTOR_RESET_CANCELED = "staff.factor_reset_canceled"
    SECRETS_ROTATED = "secrets.rotated"

    # the audit itself
    EXPORTED = "audit.exported"
    MAIL_CHANGED = "audit.mail_changed"
    CUT = "audit.cut"
