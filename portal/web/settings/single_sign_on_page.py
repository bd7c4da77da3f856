"""What the page Single sign-on shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.urls import reverse

from portal.core.errors import FieldError
from portal.ownership.states import ProofResult
from portal.sso import queries
from portal.sso.models import EmailDomain
from portal.sso.protocol import host_of
from portal.web.frame import Frame
from portal.web.settings.navigation import SettingsPage
from portal.web.settings.removal import RemovalPage
from portal.web.settings.single_sign_on_form import SingleSignOnForm
from portal.wording.claims import RESULTS


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainRow:
    """One email domain, and its record."""

    name: str
    place: str
    record: str
    state: str
    is_proved: bool
    checked_at: datetime | None
    check: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleSignOnPage(SettingsPage):
    """The settings, the domains, and what can be tried."""

    template: ClassVar = "settings/single_sign_on.html"
    tab: ClassVar = "single-sign-on"

    headline: str
    lead: str
    is_set_up: bool
    host: str
    callback: str
    form: SingleSignOnForm
    issuer_error: str
    client_id_error: str
    client_secret_error: str
    domains_error: str
    groups_claim_error: str
    roles_error: str
    is_required_error: str
    domains: Sequence[DomainRow]

    @property
    def has_errors(self) -> bool:
        return any(
            (
                self.issuer_error,
                self.client_id_error,
                self.client_secret_error,
                self.domains_error,
                self.groups_claim_error,
                self.roles_error,
                self.is_required_error,
            )
        )


def single_sign_on_page(
    start: Frame,
    callback: str,
    *,
    form: SingleSignOnForm | None = None,
    errors: Sequence[FieldError] = (),
) -> SingleSignOnPage:
    sso = queries.for_organization(start.organization.pk)
    domains = queries.domains(start.organization)
    proved = [one for one in domains if one.proved_at is not None]
    if form is None:
        form = SingleSignOnForm.saved(sso, domains) if sso else SingleSignOnForm()
    host = host_of(sso) if sso else ""
    return SingleSignOnPage(
        frame=start,
        title="Single sign-on",
        headline=f"Members can sign in at {host}." if sso else "No single sign-on yet.",
        lead=_lead(is_set_up=sso is not None, has_proved=bool(proved)),
        is_set_up=sso is not None,
        host=host,
        callback=callback,
        form=form,
        issuer_error=_error(errors, "issuer"),
        client_id_error=_error(errors, "client_id"),
        client_secret_error=_error(errors, "client_secret"),
        domains_error=_error(errors, "domains"),
        groups_claim_error=_error(errors, "groups_claim"),
        roles_error=_error(errors, "roles"),
        is_required_error=_error(errors, "is_required"),
        domains=[_row(one, start) for one in domains],
    )


def _lead(*, is_set_up: bool, has_proved: bool) -> str:
    if not is_set_up:
        return "Members sign in with their passwords and second factors."
    if not has_proved:
        return "Prove a domain below: until then, the portal recognizes no one by an email address."
    return "Change what is needed here. Every change ends the sessions that it opened."


def _error(errors: Sequence[FieldError], field: str) -> str:
    """The messages of the field, and of its lines."""
    own = [one for one in errors if one.field == field or one.field.startswith(f"{field}.")]
    return " ".join(
        f"Line {int(one.field.rpartition('.')[2]) + 1}: {one.message}"
        if one.field != field
        else one.message
        for one in own[:3]
    )


def _row(domain: EmailDomain, start: Frame) -> DomainRow:
    return DomainRow(
        name=domain.name,
        place=domain.place,
        record=domain.record,
        state=_state(domain),
        is_proved=domain.proved_at is not None,
        checked_at=domain.checked_at,
        check=reverse("settings:check-domain", args=[start.organization.slug, domain.pk]),
    )


def _state(domain: EmailDomain) -> str:
    if domain.is_taken:
        return (
            "The record is there, but another organization proved this domain first. "
            "Ask the portal’s staff."
        )
    if domain.proved_at is not None and domain.missing_since is not None:
        return "Proved, but the record is gone. Publish it again: the proof ends after three weeks."
    if domain.proved_at is not None:
        return "Proved."
    if domain.asked_at is not None:
        return "The portal is looking for the record. Reload the page in a few seconds."
    if domain.result:
        return f"Not proved. {RESULTS[ProofResult(domain.result)]}"
    return "Not proved."


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveSingleSignOnPage(RemovalPage):
    """The question before single sign-on is removed."""

    tab: ClassVar = "single-sign-on"


def remove_page(start: Frame) -> RemoveSingleSignOnPage:
    return RemoveSingleSignOnPage(
        frame=start,
        title="Remove single sign-on?",
        points=[
            "Everyone who came by it is signed out at once.",
            "Members sign in with their passwords. Those who have none need a new one by mail.",
            "The settings, the client secret and the proofs of email domains are deleted.",
        ],
        back=reverse("settings:single-sign-on", args=[start.organization.slug]),
    )
