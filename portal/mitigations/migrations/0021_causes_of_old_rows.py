from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import migrations, transaction
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


REQUESTS_AT_ONCE = 200
OVER = ['terminated', 'expired', 'declined']


def to_codes(apps: Any, schema_editor: Any) -> None:
    MitigationRequest = apps.get_model('mitigations', 'MitigationRequest')
    found = MitigationRequest.objects.filter(pk__in=to_read(apps).values('request_id')).values_list('pk', 'status')
    requests = list(found.order_by('pk'))
    over = [pk for pk, status in requests if status in OVER]
    live = [pk for pk, status in requests if status not in OVER]
    # Running processes wait for a live request while it is locked: these come last, one by one.
    batches = [over[start:start + REQUESTS_AT_ONCE] for start in range(0, len(over), REQUESTS_AT_ONCE)]
    for batch in [*batches, *([one] for one in live)]:
        with transaction.atomic():
            # The order of docs/locking.md: the request before its mitigations.
            list(MitigationRequest.objects.select_for_update().filter(pk__in=batch).order_by('pk'))
            read_requests(apps, batch)


def to_read(apps: Any) -> Any:
    has_text = ~Q(cause_text='') | ~Q(withdrawn_cause_text='')
    return apps.get_model('mitigations', 'Mitigation').objects.filter(has_text | Q(asked_by__isnull=False))


def read_requests(apps: Any, requests: Sequence[Any]) -> None:
    Mitigation = apps.get_model('mitigations', 'Mitigation')
    providers = defaultdict(set)
    names = ('subscription__provider__short_name', 'subscription__provider__path_name')
    of_all = Mitigation.objects.filter(request_id__in=requests)
    for request, *provider in of_all.values_list('request_id', 'subscription_id', *names):
        providers[request].add(tuple(provider))
    changed = list(to_read(apps).filter(request_id__in=requests))
    for one in changed:
        named = by_name(provider for provider in providers[one.request_id] if provider[0] != one.subscription_id)
        if one.cause_text:
            one.cause, one.cause_subscription_id = asked(one.cause_text, named)
        elif one.asked_by_id is not None:
            one.cause = 'by_hand'
        if one.withdrawn_cause_text:
            one.withdrawn_cause, one.withdrawn_for = withdrawn(one.withdrawn_cause_text, named)
    Mitigation.objects.bulk_update(changed, ['cause', 'cause_subscription', 'withdrawn_cause', 'withdrawn_for'])


def by_name(providers: Iterable[tuple[Any, ...]]) -> dict[str, Any]:
    """Subscriptions by the names that a sentence may call their providers; not a name that two share, such as that of
    their gateway.

    `providers`: of each, its subscription and its names.
    """
    found = defaultdict(set)
    for subscription, *names in providers:
        for name in filter(None, names):
            found[name].add(subscription)
    return {name: next(iter(subscriptions)) for name, subscriptions in found.items() if len(subscriptions) == 1}


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
    # A batch is saved at once. One that stops halfway can run again: it gives the same codes.
    atomic = False

    dependencies = [
        ('mitigations', '0020_causes'),
    ]

    operations = [
        migrations.RunPython(to_codes, migrations.RunPython.noop),
    ]
