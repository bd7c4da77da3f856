from __future__ import annotations

import re
from typing import Any

from django.db import migrations
from django.db.models import Q

# The sentences of earlier releases. Their text stays beside the code, whether it is read or not.
ASKED = {
    r'(?P<who>.+) refused': 'refused',
    r'(?P<who>.+) is over capacity': 'exceeded',
    r'(?P<who>.+) stopped by itself': 'withdrew',
    r'(?P<who>.+) did not answer': 'silent',
    r'(?:gateway )?(?P<who>.+) asked the portal to wait': 'told_to_wait',
    r'the request did not reach (?P<who>.+)': 'not_reached',
    r'the portal could not send it to (?P<who>.+)': 'not_sendable',
    r'the portal could not save what (?P<who>.+) answered': 'not_saved',
}
WITHDRAWN = r'(?P<who>.+) (?:reports that it is|report that they are) filtering'


def to_codes(apps: Any, schema_editor: Any) -> None:
    Mitigation = apps.get_model('mitigations', 'Mitigation')
    Mitigation.objects.filter(cause_text='', asked_by__isnull=False).update(cause='by_hand')
    told = Mitigation.objects.exclude(Q(cause_text='') & Q(withdrawn_cause_text=''))
    for one in told.iterator():
        named = providers_of(Mitigation, one)
        if one.cause_text:
            one.cause, one.cause_subscription_id = asked(one.cause_text, named)
        if one.withdrawn_cause_text:
            one.withdrawn_cause, one.withdrawn_for = withdrawn(one.withdrawn_cause_text, named)
        one.save(update_fields=['cause', 'cause_subscription', 'withdrawn_cause', 'withdrawn_for'])


def providers_of(Mitigation: Any, mitigation: Any) -> dict[str, Any]:
    """The subscriptions of the other providers of the request by the names their sentences may call them."""
    others = Mitigation.objects.filter(request_id=mitigation.request_id).exclude(subscription_id=mitigation.subscription_id)
    names = others.values_list('subscription_id', 'subscription__provider__short_name', 'subscription__provider__path_name')
    return {name: subscription for subscription, *both in names for name in both if name}


def asked(text: str, named: dict[str, Any]) -> tuple[str, Any]:
    for sentence, cause in ASKED.items():
        if found := re.fullmatch(sentence, text):
            return cause, named.get(found['who'])
    return 'other', None


def withdrawn(text: str, named: dict[str, Any]) -> tuple[str, list[str]]:
    found = re.fullmatch(WITHDRAWN, text)
    if found is None:
        return 'other', []
    names = re.split(', | and ', found['who'])
    known = [str(named[name]) for name in names if name in named]
    # One that has another name by now: the text says who it was.
    return 'earlier_filters', known if len(known) == len(names) else []


class Migration(migrations.Migration):
    dependencies = [
        ('mitigations', '0020_causes'),
    ]

    operations = [
        migrations.RunPython(to_codes, migrations.RunPython.noop),
    ]
