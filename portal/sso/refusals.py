"""Why a single sign-on ended without a session."""

from __future__ import annotations

from enum import StrEnum


class Refused(StrEnum):
    """portal.sso.wording has a sentence for each."""

    NOT_SET_UP = "not_set_up"
    "no organization has this domain or name, or its single sign-on is off"
    STALE = "stale"
    "the answer belongs to no sign-in of this browser, or to an old one"
    DENIED = "denied"
    "the identity provider answered an error"
    UNREACHABLE = "unreachable"
    "no answer in time, or no connection"
    BAD_ANSWER = "bad_answer"
    "the answer is too long, or not what the standard says"
    NOT_ALLOWED = "not_allowed"
    "an address that the portal does not contact"
    BAD_TOKEN = "bad_token"  # noqa: S105 - no password
    "the ID token does not pass a check"
    BUSY = "busy"
    "too many sign-ins wait for identity providers"
    NO_EMAIL = "no_email"
    EMAIL_UNVERIFIED = "email_unverified"
    DOMAIN_UNPROVED = "domain_unproved"
    UNKNOWN_PERSON = "unknown_person"
    "no member has this address, and the organization does not add unknown people"
    AMBIGUOUS = "ambiguous"
    "several members have this address"
    OTHER_SUBJECT = "other_subject"
    "the member is linked to another subject of this identity provider"
    REMOVED = "removed"
    "the person is linked, but no longer a member"
    INACTIVE = "inactive"
    ELSEWHERE = "elsewhere"
    "the person also belongs to another organization, or to the portal's staff"
    OTHER_PERSON = "other_person"
    "someone else signed in than who was asked to confirm"
    NOT_FRESH = "not_fresh"
    "the identity provider did not ask again"
