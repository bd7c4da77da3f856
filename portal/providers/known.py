"""The providers that the portal knows: its staff maintain them, and organizations connect them."""

from __future__ import annotations

import json
from typing import Any, Final

from django.db import transaction

from portal.accounts.actors import Actor
from portal.accounts.staff_rights import StaffRight
from portal.audit.recording import Object, record_entry
from portal.audit.verbs import Verb
from portal.core.json_value import write_json
from portal.providers.forms import ProviderForm
from portal.providers.models import Provider

MAY_CHANGE: Final = StaffRight(
    "change providers", ("providers.add_provider", "providers.change_provider")
)


@transaction.atomic
def save_provider(form: ProviderForm, *, actor: Actor) -> Provider:
    """Save what a valid form holds. Sessions with new settings are tried beside those in use."""
    MAY_CHANGE.require_still(actor.require_person())
    is_new = form.instance._state.adding
    before = {
        name: _shown(form.get_initial_for_field(form.fields[name], name))
        for name in form.changed_data
    }
    provider: Provider = form.save()
    record_entry(
        Verb.PROVIDER_ADDED if is_new else Verb.PROVIDER_CHANGED,
        actor=actor,
        is_by_staff=True,
        about=Object("provider", provider.pk, provider.short_name),
        before=None if is_new else before,
        after={name: _shown(form.cleaned_data[name]) for name in form.changed_data},
    )
    return provider


def _shown(value: Any) -> Any:
    """As JSON; certificates are public."""
    return json.loads(json.dumps(write_json(value), default=str))
