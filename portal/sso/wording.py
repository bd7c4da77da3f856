"""Sentences about single sign-on."""

from __future__ import annotations

from typing import Final

from portal.sso.refusals import Refused

_SENTENCES: Final = {
    Refused.NOT_SET_UP: "Single sign-on is not set up for this address or organization.",
    Refused.STALE: "This sign-in is too old, or it began in another browser. Start again.",
    Refused.DENIED: "Your identity provider refused the sign-in.",
    Refused.UNREACHABLE: "Your identity provider does not answer. Try again, or ask its admin.",
    Refused.BAD_ANSWER: "Your identity provider sent an answer that the portal cannot use.",
    Refused.NOT_ALLOWED: "The portal may not contact an address of your identity provider.",
    Refused.BAD_TOKEN: "Your identity provider sent an ID token that does not pass the checks.",
    Refused.BUSY: "Too many sign-ins wait for identity providers. Try again in a few seconds.",
    Refused.NO_EMAIL: "Your identity provider named no email address, so the portal does not know "
    "who you are.",
    Refused.EMAIL_UNVERIFIED: "Your identity provider did not say that your email address is "
    "verified.",
    Refused.DOMAIN_UNPROVED: "Your organization has not proved the domain of your email address.",
    Refused.UNKNOWN_PERSON: "No member of the organization has your email address. Ask an admin "
    "to invite you.",
    Refused.AMBIGUOUS: "Several members of the organization have your email address. Ask an admin.",
    Refused.OTHER_SUBJECT: "Your account here is linked to another account at your identity "
    "provider. Ask an admin.",
    Refused.REMOVED: "You are not a member any more. Ask an admin to invite you.",
    Refused.INACTIVE: "Your account is deactivated. Ask the portal’s operator.",
    Refused.ELSEWHERE: "You also belong to another organization or to the portal’s staff, and one "
    "identity provider must not open both. Sign in with your password.",
    Refused.OTHER_PERSON: "Someone else signed in at the identity provider. Confirm as yourself.",
    Refused.NOT_FRESH: "Your identity provider did not ask you to sign in again, so nothing is "
    "confirmed.",
}


def sentence(why: Refused) -> str:
    return _SENTENCES[why]
